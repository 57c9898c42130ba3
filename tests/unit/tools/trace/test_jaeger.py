"""When a trace is whole, though its spans come from several processes at their own times."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from services.topology import PIPELINE
from tools.trace import jaeger
from tools.trace.jaeger import Span, Trace

ROOT = Span("r", "", "time to glass", "pipeline", 0, 100)
STAGES = [Span(hop.stage, "r", f"work of {hop.stage}", hop.stage, 0, 10) for hop in PIPELINE]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaeger, "WHOLE_WITHIN_S", 0.5)
    monkeypatch.setattr(jaeger, "QUIET_S", 0.1)
    monkeypatch.setattr(jaeger, "_ASK_AGAIN_S", 0.01)


def trace(*spans: Span) -> Trace:
    return Trace("t", list(spans))


def growing(*answers: Iterable[Span] | None) -> Callable[[], Trace | None]:
    """Answer with these in turn, and with the last one from then on."""
    left = list(answers)

    def ask() -> Trace | None:
        spans = left.pop(0) if len(left) > 1 else left[0]
        return None if spans is None else trace(*spans)

    return ask


def test_a_trace_is_complete_with_its_root_every_stage_and_every_parent() -> None:
    assert trace(ROOT, *STAGES).is_complete
    assert not trace(*STAGES).is_complete
    assert not trace(ROOT, *STAGES[1:]).is_complete
    assert not trace(ROOT, *STAGES, Span("x", "lost", "send", "sink", 0, 1)).is_complete


def test_a_root_that_comes_first_is_not_taken_for_the_whole() -> None:
    found = jaeger.when_whole(growing(None, [ROOT], [ROOT, *STAGES[:2]], [ROOT, *STAGES]))

    assert found == trace(ROOT, *STAGES)


def test_a_request_that_never_passes_every_stage_is_whole_when_nothing_more_comes() -> None:
    ended = [ROOT, STAGES[0]]

    assert jaeger.when_whole(growing([ROOT], ended)) == trace(*ended)


def test_without_a_root_what_there_is_is_shown_after_the_limit() -> None:
    assert jaeger.when_whole(growing(STAGES[:1])) == trace(*STAGES[:1])
    assert jaeger.when_whole(growing(None)) is None


def test_the_newest_waits_for_a_first_trace_and_then_for_the_whole_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lists, traces = [[], [], [written(ROOT)]], [[written(ROOT)], [written(ROOT, *STAGES)]]

    def ask(_url: str, path: str) -> list[dict[str, object]]:
        return (lists if path.startswith("/api/traces?") else traces).pop(0)

    monkeypatch.setattr(jaeger, "_ask", ask)
    found = jaeger.newest("http://here")
    assert found is not None
    assert len(found.spans) == 1 + len(STAGES)


def test_where_there_is_no_trace_the_newest_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaeger, "_ask", lambda *_: [])

    assert jaeger.newest("http://here") is None


def written(*spans: Span) -> dict[str, object]:
    """Write a trace as Jaeger's API does."""
    return {
        "traceID": "t",
        "processes": {span.service: {"serviceName": span.service} for span in spans},
        "spans": [
            {
                "spanID": span.id,
                "operationName": span.name,
                "processID": span.service,
                "startTime": span.start_us,
                "duration": span.duration_us,
                "references": [{"refType": "CHILD_OF", "spanID": span.parent_id}]
                if span.parent_id
                else [],
            }
            for span in spans
        ],
    }
