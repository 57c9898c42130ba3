"""Failures as they leave a process of their own, taken by a real collector."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

import pytest

from libs.tracing import names
from tests.collector import HOST, collecting
from tests.conformance import record_violations
from tests.conventions import RECORDS

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
STOP_LIMIT_S = 8.0
HUNG = None

SCRIPT = """
import asyncio
import structlog
from opentelemetry.trace import SpanKind
from libs import logs, tracing
from libs.tracing.context import parse_traceparent

traceparent = "00-{trace_id}-{span_id}-01"
ref = parse_traceparent(traceparent)
log = structlog.get_logger()

def fail(emitter, kind):
    span = tracing.Span("work", ref, 0, 1, 2, kind, error_type="timeout", error_text="too late")
    emitter.emit(span)

def bury():
    ids = tracing.carried_ids(traceparent)
    log.warning("dead letter", topic="events.raw", partition=3, offset=17, reason="bad", **ids)

async def main():
    logs.setup("normalize", 0)
    async with tracing.exporting("normalize", 0) as emitter:
        {body}

asyncio.run(main())
"""
ONE_OF_EACH = """
        fail(emitter, SpanKind.PRODUCER)
        fail(emitter, SpanKind.CONSUMER)
        fail(emitter, SpanKind.CLIENT)
        fail(emitter, SpanKind.SERVER)
        log.warning("db.client.operation.exception", operation="COPY", exception_type="OSError")
        log.warning("commit put off")
        bury()
"""


def run(body: str, port: int, **environ: str) -> list[dict[str, Any]]:
    """Run a process to its end; gives the lines of its log."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", SCRIPT.format(trace_id=TRACE_ID, span_id=SPAN_ID, body=body)],
        env={
            **{name: text for name, text in os.environ.items() if not name.startswith("OTEL_")},
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{HOST}:{port}",
            **environ,
        },
        capture_output=True,
        text=True,
        check=True,
        timeout=15,
    )
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def tally(lines: list[dict[str, Any]]) -> tuple[str, int, int, int]:
    """What the process said last of its records."""
    (said,) = [line for line in lines if line["event"].startswith("log records")]
    return said["event"], said["exported"], said["failed"], said["dropped"]


def test_each_failure_is_a_record_of_its_span() -> None:
    with collecting() as collector:
        lines = run(ONE_OF_EACH, collector.port, OTEL_LOGS_EXPORTER="otlp")

    assert [recorded.record.event_name for recorded in collector.logs.records] == [
        names.SEND_EXCEPTION,
        names.PROCESS_EXCEPTION,
        names.DB_EXCEPTION,
        names.DEAD_LETTER,
    ]
    assert {recorded.record.event_name for recorded in collector.logs.records} == RECORDS.keys()
    for recorded in collector.logs.records:
        assert list(record_violations(recorded)) == []
        assert recorded.record.trace_id.hex() == TRACE_ID
        assert recorded.record.span_id.hex() == SPAN_ID
        assert recorded.record.flags == 1
    assert collector.logs.records[0].attributes == {
        names.EXCEPTION_TYPE: "timeout",
        names.EXCEPTION_MESSAGE: "too late",
    }
    assert collector.logs.records[-1].attributes == {
        names.MESSAGING_DESTINATION: "events.raw",
        names.MESSAGING_PARTITION: "3",
        names.MESSAGING_OFFSET: 17,
        names.DEAD_LETTER_REASON: "bad",
    }
    assert tally(lines) == ("log records exported", 4, 0, 0)


def test_the_log_itself_names_the_span_of_a_failure() -> None:
    with collecting() as collector:
        lines = run(ONE_OF_EACH, collector.port)

    told = [line for line in lines if "trace_id" in line]
    assert len(told) == 4
    for line in told:
        assert (line["trace_id"], line["span_id"], line["trace_flags"]) == (TRACE_ID, SPAN_ID, "01")


def test_a_dead_letter_without_a_trace_is_a_record_too() -> None:
    body = 'log.warning("dead letter", topic="t", partition=0, offset=0, reason="not JSON")'
    with collecting() as collector:
        run(body, collector.port, OTEL_LOGS_EXPORTER="otlp")

    (recorded,) = collector.logs.records
    assert list(record_violations(recorded)) == []
    assert recorded.record.trace_id == b""


def test_a_long_text_is_cut() -> None:
    body = 'log.warning("dead letter", topic="t", partition=0, offset=0, reason="x" * 9_000)'
    with collecting() as collector:
        run(body, collector.port, OTEL_LOGS_EXPORTER="otlp")

    (recorded,) = collector.logs.records
    assert len(recorded.attributes[names.DEAD_LETTER_REASON]) == 1_000


def test_by_default_no_record_is_sent() -> None:
    with collecting() as collector:
        run(ONE_OF_EACH, collector.port)

    assert collector.logs.requests == []


@pytest.mark.parametrize("is_hung", [True, False], ids=["hung", "dead"])
def test_a_process_ends_in_time_without_a_collector_and_counts_what_is_lost(is_hung: bool) -> None:
    with collecting() as collector:
        collector.logs.delay_s = HUNG
        port = collector.port if is_hung else 1
        began_s = time.monotonic()
        lines = run("[bury() for _ in range(50)]", port, OTEL_LOGS_EXPORTER="otlp")
        took_s = time.monotonic() - began_s

    assert took_s < STOP_LIMIT_S
    event, exported, failed, dropped = tally(lines)
    assert (event, exported, failed + dropped) == ("log records lost", 0, 50)


def test_what_finds_no_room_is_dropped_and_counted() -> None:
    with collecting() as collector:
        collector.logs.delay_s = 0.2
        lines = run(
            "[bury() for _ in range(1_000)]",
            collector.port,
            OTEL_LOGS_EXPORTER="otlp",
            OTEL_BLRP_MAX_QUEUE_SIZE="100",
            OTEL_BLRP_MAX_EXPORT_BATCH_SIZE="50",
        )

    event, exported, failed, dropped = tally(lines)
    assert (event, failed, exported + dropped) == ("log records lost", 0, 1_000)
    assert len(collector.logs.records) == exported
    assert dropped > 0
