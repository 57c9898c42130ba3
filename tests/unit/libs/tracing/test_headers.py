from __future__ import annotations

from dataclasses import dataclass

from libs.tracing import headers
from libs.tracing.trail import TRAIL_STOPS_MAX, Stop, format_trail, parse_trail

SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
UNSAMPLED = "00-11111111111111111111111111111111-2222222222222222-00"
STOP = Stop("ingest", 0, "", 1, 2, 3)


@dataclass
class FakeOrigin:
    traceparent: str
    tracestate: str = "ttg=00000000000000aa-5"
    tenant: str = "default"
    count: int = 1
    total: int = 1
    dead: int = 0
    is_last: bool = True


def test_the_first_sampled_origin_speaks_for_the_record() -> None:
    written = headers.write_headers([FakeOrigin(UNSAMPLED), FakeOrigin(SAMPLED)], [STOP])

    assert dict(written)["traceparent"] == SAMPLED.encode()


def test_without_a_sampled_origin_the_first_one_speaks() -> None:
    written = headers.write_headers([FakeOrigin(UNSAMPLED)], [STOP])

    assert dict(written)["traceparent"] == UNSAMPLED.encode()


def test_each_header_stands_there_once() -> None:
    written = headers.write_headers([FakeOrigin(SAMPLED)], [STOP])

    assert [name for name, _ in written] == ["traceparent", "tracestate", "ttg-trail"]


def test_headers_read_back_as_they_were_written() -> None:
    carried = headers.read_headers(headers.write_headers([FakeOrigin(SAMPLED)], [STOP]))

    assert carried == headers.Carried(SAMPLED, "ttg=00000000000000aa-5", [STOP])


def test_a_foreign_record_without_headers_carries_nothing() -> None:
    assert headers.read_headers([("other", b"\xff")]) == headers.Carried("", "", [])


def test_a_trail_of_several_stops_reads_back() -> None:
    stops = [STOP, Stop("normalize", 2, "events.raw-7-123", 4, 5, 6)]

    assert parse_trail(format_trail(stops)) == stops


def test_a_trail_that_is_not_ours_is_ignored() -> None:
    assert parse_trail("hello") == []
    assert parse_trail(";".join(["x"] * (TRAIL_STOPS_MAX + 5))) == []
