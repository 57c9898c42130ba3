"""Requests without end: the same events, never the same ids."""

from __future__ import annotations

from itertools import islice
from uuid import UUID

import msgspec

from bench.load import bodies


def test_no_two_events_have_the_same_id_also_when_requests_come_again() -> None:
    requests = [msgspec.json.decode(body) for body in islice(bodies.endless(40, 10), 12)]

    ids = [UUID(event["event_id"]) for request in requests for event in request]
    assert len(ids) == len(set(ids)) == 120


def test_what_comes_again_differs_in_its_ids_alone() -> None:
    endless = bodies.endless(events=20, batch=10)
    first, _, again = (msgspec.json.decode(next(endless)) for _ in range(3))

    assert [event["value"] for event in first] == [event["value"] for event in again]
    assert {event["attributes"]["run"] for event in again} != {
        event["attributes"]["run"] for event in first
    }
