from __future__ import annotations

from dataclasses import dataclass

import pytest

from libs.tracing import headers
from libs.tracing.policy import Policy
from libs.tracing.settings import TraceSettings
from libs.tracing.trail import TRAIL_STOPS_MAX, Stop, Trail, read_trail

SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNSAMPLED = "00-11111111111111111111111111111111-2222222222222222-00"
POLICY = Policy(TraceSettings())
STOP = Stop("ingest", 0, "0123456789ab", "", 1, 1, 2, 3)


@dataclass
class FakeOrigin:
    traceparent: str
    tracestate: str = "ttg=00000000000000aa-5"
    tenant: str = "default"
    count: int = 1
    total: int = 1
    received_us: int = 1_000
    admitted_us: int = 5
    dead: int = 0
    is_last: bool = True


def test_the_first_sampled_origin_speaks_for_the_record() -> None:
    written = headers.write_headers(
        [FakeOrigin(UNSAMPLED), FakeOrigin(SAMPLED)], Trail().then(STOP), POLICY
    )

    assert dict(written)["traceparent"] == SAMPLED.encode()


def test_without_a_sampled_origin_the_first_one_speaks() -> None:
    written = headers.write_headers([FakeOrigin(UNSAMPLED)], Trail().then(STOP), POLICY)

    assert dict(written)["traceparent"] == UNSAMPLED.encode()


def test_each_header_stands_there_once() -> None:
    written = headers.write_headers([FakeOrigin(SAMPLED)], Trail().then(STOP), POLICY)

    assert [name for name, _ in written] == ["traceparent", "tracestate", "ttg-trail"]


def test_headers_read_back_as_they_were_written() -> None:
    carried = headers.read_headers(
        headers.write_headers([FakeOrigin(SAMPLED)], Trail().then(STOP), POLICY)
    )

    assert carried == headers.Carried(SAMPLED, "ttg=00000000000000aa-5", Trail().then(STOP))


def test_a_foreign_record_without_headers_carries_nothing() -> None:
    assert headers.read_headers([("other", b"\xff")]) == headers.Carried("", "", Trail())


def test_a_trail_of_several_stops_reads_back() -> None:
    stops = [STOP, Stop("normalize", 2, "", "events.raw-7-123", 4, 5, 6, 7)]
    trail = Trail().then(stops[0]).then(stops[1])

    assert read_trail(trail.text) == trail
    assert trail.stops == stops
    assert trail.handed_us == 7
    assert stops[1].position == ("events.raw", 7, 123)


def test_a_clock_that_was_set_back_reads_back_as_it_was() -> None:
    stop = Stop("ingest", 0, "", "", 1_000, 900, 950, 10)
    trail = read_trail(Trail().then(stop).text)

    assert trail.stops == [stop]
    assert trail.handed_us == 10


def test_an_empty_trail_tells_nothing() -> None:
    trail = read_trail("")

    assert (trail.stops, trail.handed_us, trail.is_ours) == ([], 0, False)


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        ";".join(["x"] * (TRAIL_STOPS_MAX + 5)),
        "ingest/0/ab//1+1+1",
        "ingest/0/ab//1+1+1+1;normalize/0/ab//1+1+1+1",
        "ingest/0/ab//1+1+1+1;normalize/0/ab/events.raw/1+1+1+1",
        "ingest/0/ab//1+1+1+" + "9" * 17,
        "<script>/0/ab//1+1+1+1",
    ],
)
def test_a_trail_that_is_not_ours_is_ignored(text: str) -> None:
    assert read_trail(text) == Trail()


def test_where_somebody_else_injects_the_context_is_left_to_them() -> None:
    contrib = Policy(TraceSettings(kafka="contrib"))

    written = headers.write_headers([FakeOrigin(SAMPLED)], Trail().then(STOP), contrib)

    assert [name for name, _ in written] == ["ttg-trail"]
