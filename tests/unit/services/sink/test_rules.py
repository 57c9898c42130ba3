from __future__ import annotations

import pytest

from libs.events import DecoratedBatch, DecoratedEvent, Origin
from services.sink.rules import Counts, incoming

NOW = "2026-01-01T00:00:00.000000Z"
TRACES = ("11111111111111111111111111111111", "22222222222222222222222222222222")


def origin(trace_id: str, first: int, count: int, tenant: str = "default") -> Origin:
    return Origin(
        tenant=tenant,
        received_us=1_700_000_000_000_000 + first,
        first=first,
        count=count,
        total=count,
        traceparent=f"00-{trace_id}-00f067aa0ba902b7-01",
    )


def batch(*origins: Origin) -> DecoratedBatch:
    events = [
        DecoratedEvent(f"id-{n}", "probe", 1.5, NOW, "s", {"entity": "cart"}, "amelia")
        for n in range(sum(o.count for o in origins))
    ]
    return DecoratedBatch(origins=list(origins), events=events)


def test_each_event_is_a_row_and_says_of_which_request() -> None:
    made = incoming([batch(origin(TRACES[0], 0, 2), origin(TRACES[1], 2, 1, tenant="acme"))])

    assert [(row.origin, row.event_id) for row in made.rows] == [
        (0, "id-0"),
        (0, "id-1"),
        (1, "id-2"),
    ]
    assert [(request.tenant, request.trace_id) for request in made.requests] == [
        ("default", TRACES[0]),
        ("acme", TRACES[1]),
    ]
    assert [request.received_us % 10 for request in made.requests] == [0, 2]


def test_every_column_holds_what_it_is_called_after() -> None:
    made = incoming([batch(origin(TRACES[0], 0, 1))])

    assert made.rows[0]._asdict() == {
        "origin": 0,
        "event_id": "id-0",
        "name": "probe",
        "value": 1.5,
        "unit": "s",
        "timestamp": NOW,
        "attributes": '{"entity":"cart"}',
        "owner": "amelia",
        "team": None,
        "region": None,
    }


def test_origins_are_numbered_on_through_the_batches_of_a_transaction() -> None:
    made = incoming([batch(origin(TRACES[0], 0, 1)), batch(origin(TRACES[1], 0, 1))])

    assert [row.origin for row in made.rows] == [0, 1]
    assert [request.trace_id for request in made.requests] == list(TRACES)


@pytest.mark.parametrize(
    ("counts", "is_repeat"),
    [
        (Counts(stored=3, delivered_again=0, already_there=0), False),
        (Counts(stored=0, delivered_again=3, already_there=0), True),
        (Counts(stored=0, delivered_again=0, already_there=3), False),
        (Counts(stored=1, delivered_again=2, already_there=0), False),
        (Counts(stored=0, delivered_again=2, already_there=1), True),
    ],
)
def test_a_repeat_is_what_was_stored_before_by_the_same_request(
    counts: Counts, is_repeat: bool
) -> None:
    assert counts.is_repeat is is_repeat
