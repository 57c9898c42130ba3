"""The plan of a load: what is sent, when, and under which ids."""

from __future__ import annotations

import uuid
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, strategies as st

from services.ingest import rules
from tools.load.plan import NAMES, Plan

PLAN = Plan.of(rate_events_per_s=1_000, duration_s=2, batch=10)


def test_the_rate_counts_events_and_not_requests() -> None:
    assert (PLAN.requests, PLAN.events) == (200, 2_000)
    assert PLAN.due_s(0) == 0
    assert PLAN.due_s(100) == pytest.approx(1.0)


def test_requests_are_due_at_equal_distances() -> None:
    distances = {round(b - a, 9) for a, b in pairwise(map(PLAN.due_s, range(20)))}

    assert distances == {0.01}


def test_the_shortest_run_still_sends_one_request() -> None:
    assert Plan.of(rate_events_per_s=1, duration_s=0.1, batch=10).requests == 1


@given(st.integers(min_value=0, max_value=2**48 - 1))
def test_every_event_has_an_id_of_its_own_that_leads_back_to_it(number: int) -> None:
    read = uuid.UUID(PLAN.event_id(number))

    assert PLAN.number(read) == number
    assert (read.version, read.variant) == (7, uuid.RFC_4122)


def test_two_runs_share_no_id() -> None:
    other = Plan.of(rate_events_per_s=1_000, duration_s=2, batch=10)

    assert abs(other.run_id.int - PLAN.run_id.int) >= 2**48


def test_a_request_sent_again_is_the_same_request() -> None:
    assert PLAN.body(7) == PLAN.body(7)
    assert PLAN.body(7) != PLAN.body(8)


def test_the_door_takes_what_is_sent() -> None:
    events = rules.parse(
        PLAN.body(3), "application/json", new_event_id=lambda: "", events_max=PLAN.batch
    )

    assert [PLAN.number(uuid.UUID(event.event_id)) for event in events] == list(range(30, 40))
    assert {event.name for event in events} <= set(NAMES)
    sent = msgspec.json.decode(PLAN.body(3))
    assert {event["attributes"]["run"] for event in sent} == {str(PLAN.run_id)}
