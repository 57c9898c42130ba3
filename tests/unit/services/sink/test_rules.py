from __future__ import annotations

import pytest

from libs.events import DecoratedBatch, DecoratedEvent, Origin
from services.sink.rules import Counts, rows

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


def test_each_event_is_a_row_with_the_tenant_and_trace_of_its_request() -> None:
    made = rows([batch(origin(TRACES[0], 0, 2), origin(TRACES[1], 2, 1, tenant="acme"))])

    assert [(row.origin, row.tenant, row.event_id, row.trace_id) for row in made] == [
        (0, "default", "id-0", TRACES[0]),
        (0, "default", "id-1", TRACES[0]),
        (1, "acme", "id-2", TRACES[1]),
    ]
    assert [row.received_us % 10 for row in made] == [0, 0, 2]


def test_origins_are_numbered_on_through_the_batches_of_a_transaction() -> None:
    made = rows([batch(origin(TRACES[0], 0, 1)), batch(origin(TRACES[1], 0, 1))])

    assert [row.origin for row in made] == [0, 1]


def test_attributes_become_json_text() -> None:
    (row,) = rows([batch(origin(TRACES[0], 0, 1))])

    assert row.attributes == '{"entity":"cart"}'


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
