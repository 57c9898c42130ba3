"""Every row of a run, held against what the door said of its request."""

from __future__ import annotations

import uuid

import pytest

from tools.load.account import Account, Found
from tools.load.plan import Plan
from tools.load.sender import Outcome

PLAN = Plan.of(rate_events_per_s=100, duration_s=1, batch=10)


def seen(outcome: Outcome, *numbers: int, taken_us: int = 5_000) -> Found:
    account = Account(PLAN, outcome)
    for number in numbers:
        account.see(uuid.UUID(PLAN.event_id(number)), f"trace {number}", taken_us)
    return account.sum_up()


def test_a_run_that_arrived_once_leaves_nothing_to_say() -> None:
    found = seen(Outcome(accepted=[0, 2]), *range(10), *range(20, 30))

    assert (found.missing, found.doubled, found.foreign) == (0, 0, 0)
    assert found.time_to_glass_us.get_total_count() == 20


def test_what_was_accepted_and_is_not_there_is_missing_and_named() -> None:
    found = seen(Outcome(accepted=[0]), *range(9))

    assert found.missing == 1
    assert found.missing_ids == [PLAN.event_id(9)]


def test_what_is_there_three_times_is_one_event_doubled() -> None:
    assert seen(Outcome(accepted=[0]), *range(10), 4, 4).doubled == 1


def test_of_unknown_requests_it_is_counted_what_came() -> None:
    found = seen(Outcome(accepted=[0], unknown=[1]), *range(14))

    assert (found.stored_of_unknown, found.missing, found.foreign) == (4, 0, 0)


@pytest.mark.parametrize("number", [10, 99, 100, -1], ids=["refused", "unsent", "beyond", "before"])
def test_a_row_of_a_request_that_was_not_accepted_is_foreign(number: int) -> None:
    found = seen(Outcome(accepted=[0]), *range(10), number)

    assert found.foreign == 1
    assert found.time_to_glass_us.get_total_count() == 10


@pytest.mark.parametrize("taken_us", [-5, 0, 10**12])
def test_a_time_past_either_end_of_the_scale_is_counted_at_that_end(taken_us: int) -> None:
    found = seen(Outcome(accepted=[0]), *range(10), taken_us=taken_us)

    assert found.time_to_glass_us.get_total_count() == 10


def test_the_slowest_is_one_that_was_sampled() -> None:
    account = Account(PLAN, Outcome(accepted=[0], sampled={"sampled"}))
    account.see(uuid.UUID(PLAN.event_id(0)), "unsampled", 9_000)
    account.see(uuid.UUID(PLAN.event_id(1)), "sampled", 5_000)

    assert account.sum_up().slowest_trace_id == "sampled"
