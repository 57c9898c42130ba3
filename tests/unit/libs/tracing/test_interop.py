"""The package that instruments aiokafka, beside us and instead of us."""

from __future__ import annotations

import subprocess
import sys

from opentelemetry import trace

from libs.tracing import Carried, Written, begin_replay, report_replay, sending
from libs.tracing.context import SpanRef
from libs.tracing.interop import Ends
from libs.tracing.spans import Span
from libs.tracing.trail import Trail
from tests.emitted import Emitted

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
STARTED_TWICE = """
import asyncio
from opentelemetry.instrumentation.aiokafka import AIOKafkaInstrumentor
from libs import stage, tracing
AIOKafkaInstrumentor().instrument()
async def main():
    async with tracing.exporting("normalize", 0):
        print("started")
stage.launch(main)
"""


def test_a_process_with_both_injectors_is_refused_with_a_sentence() -> None:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", STARTED_TWICE],
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert "set TRACE_KAFKA=contrib" in done.stderr
    assert "Traceback" not in done.stderr


def test_only_the_ends_of_a_trace_are_ours() -> None:
    emitted = Emitted(kafka="contrib")
    for name in ("POST /v1/events", "send events.raw", "process events.raw", "time to glass"):
        Ends(emitted).emit(Span(name, SpanRef(1, 2, is_sampled=True), 0, 1, 2))

    assert emitted.names() == ["POST /v1/events", "time to glass"]


def test_both_ends_of_a_replay_are_ours_or_what_is_sent_would_have_no_parent() -> None:
    emitted = Emitted(kafka="contrib")
    replay = begin_replay(TRACEPARENT, "", 5)
    written = Written("events.raw", 3, 17, "ttg-0", 5, 9, events=1)

    report_replay(Ends(emitted), replay, written, "refused")

    assert emitted.names() == ["replayed to events.raw", "replay events.raw"]
    assert replay.traceparent[36:52] == f"{emitted.spans[1].ref.span_id:016x}"


def test_what_is_sent_continues_the_record_that_was_read() -> None:
    with sending(Emitted(kafka="contrib").policy, Carried(TRACEPARENT, "ttg=x", Trail())):
        current = trace.get_current_span().get_span_context()
    after = trace.get_current_span().get_span_context()

    assert f"{current.trace_id:032x}" == TRACEPARENT[3:35]
    assert current.trace_state.get("ttg") == "x"
    assert not after.is_valid


def test_our_own_sends_have_no_current_span() -> None:
    with sending(Emitted().policy, Carried(TRACEPARENT, "", Trail())):
        assert not trace.get_current_span().get_span_context().is_valid
