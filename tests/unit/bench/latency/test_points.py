"""One load, and what became of it: what the door said, held against the rows."""

from __future__ import annotations

import pytest

from bench.latency import floor
from bench.latency.points import Aim, Point, Seen, summed
from bench.load.door import ACCEPTED
from bench.load.open_loop import UNANSWERED, Answered
from bench.watch.arrivals import Arrived, stored_per_s
from bench.watch.table import Window
from tests.unit.tools.trace.waterfalls import waterfall

AIM = Aim(share=20, round=1, events_per_s=1_000, seconds=10)
# From 4 s to 14 s.
WINDOW = Window(4, 14)
S = 1_000_000


def seen(*pairs: tuple[Answered, Arrived | None]) -> Seen:
    return Seen(
        answers=[said for said, _ in pairs],
        arrived=[row for _, row in pairs if row],
        batch=10,
        window=WINDOW,
    )


def request(due_s: float, late_ms: int = 1, took_ms: int = 10) -> tuple[Answered, Arrived]:
    """One that was received `late_ms` after it was due, and stored `took_ms` after that."""
    trace_id, due_us = f"{due_s}", round(due_s * S)
    received_us = due_us + 1_000 * late_ms
    said = Answered(due_us, received_us + 3_000, ACCEPTED, trace_id)
    return said, Arrived(trace_id, received_us, received_us + 1_000 * took_ms, 10)


def point(*pairs: tuple[Answered, Arrived | None]) -> Point:
    return summed(AIM, seen(*pairs), {"sink": 1.0}, floor.summed([waterfall()]))


def test_times_count_from_when_a_request_was_due_and_from_its_receipt() -> None:
    found = point(request(5, late_ms=100, took_ms=20))

    assert found.due.p50_ms == 120
    assert found.received.p50_ms == 20
    assert found.late.mean_ms == 100
    assert found.answer.p50_ms == 103


def test_what_was_due_in_the_warm_up_does_not_count() -> None:
    found = point(request(3, took_ms=500), request(5, took_ms=20))

    assert found.received.p99_ms == 20


def test_refused_requests_are_counted_by_status_and_have_no_times() -> None:
    refused = Answered(6 * S, 6 * S, 503), None
    lost = Answered(7 * S, 37 * S, UNANSWERED), None

    found = point(request(5), refused, refused, lost)
    assert found.answers == {202: 1, 503: 2, 0: 1}
    assert found.refused == 3
    assert found.answer.p99_ms == 4


def test_what_was_accepted_and_is_not_there_is_missing() -> None:
    said, row = request(6)

    assert point(request(5)).missing_events == 0
    assert point(request(5), (said, None)).missing_events == 10
    assert point(request(5), (said, row._replace(events=7))).missing_events == 3


def test_a_backlog_is_what_came_after_the_end_of_the_load() -> None:
    found = point(request(5), request(13, took_ms=3_000), request(13.5, took_ms=3_000))

    assert found.backlog_events == 20
    assert found.drained_s == pytest.approx(13.5 + 0.001 + 3 - 14)
    assert point(request(5)).drained_s == 0


def test_the_stored_rate_is_of_what_was_stored_in_the_window_whenever_it_was_sent() -> None:
    rows = [request(3, took_ms=2_000)[1], request(5)[1], request(13, took_ms=3_000)[1]]

    assert stored_per_s(rows, WINDOW) == 2
