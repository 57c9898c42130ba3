"""What fits in a budget, and what is said of one that is too small."""

from __future__ import annotations

import pytest

from bench.tune import budget, plan, remarks
from bench.tune.command import seconds
from bench.tune.trial import Done
from tests.unit.bench.tune.made import RUN, done, measured, one_of_each
from tools.errors import OperatorError


@pytest.mark.parametrize(
    ("text", "length_s"), [("600", 600), ("90s", 90), ("10m", 600), ("1.5h", 5_400)]
)
def test_a_length_of_time_is_read(text: str, length_s: float) -> None:
    assert seconds(text) == length_s


@pytest.mark.parametrize("text", ["", "10 minutes", "-5", "0"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(OperatorError, match="10m"):
        seconds(text)


def test_a_window_grows_with_the_budget_within_bounds() -> None:
    assert budget.window_s(60) == 3
    assert 3 < budget.window_s(900) < budget.window_s(1_200) < 30
    assert budget.window_s(36_000) == 30


def test_a_budget_for_not_even_one_trial_says_which_would_do() -> None:
    with pytest.raises(OperatorError, match=r"BUDGET=30 is too short.*BUDGET=60 would do"):
        budget.of(30, RUN, [])


def test_a_small_budget_says_what_can_be_done_in_it() -> None:
    found = budget.of(70, RUN, [])

    assert not found.is_over
    (said,) = found.remarks
    assert f"About 3 of {len(plan.one_by_one())} trials fit" in said
    assert "defaults, linger.ms=5, linger.ms=20" in said
    assert "One of each takes BUDGET=7m" in said


def test_what_is_spent_counts_in_what_one_of_each_takes() -> None:
    dones = [done(1), done(2, {"linger.ms": "5"})]

    (said,) = budget.of(90, RUN, dones).remarks
    assert f"About 3 of {len(plan.one_by_one()) - 2} trials fit" in said
    assert "One of each takes BUDGET=6m" in said


def test_a_large_budget_needs_no_remark() -> None:
    assert not budget.of(600, RUN, []).remarks


def test_trials_of_an_earlier_call_count() -> None:
    dones = [done(1), done(2, {"linger.ms": "5"})]

    assert budget.of(600, RUN, dones).left_s == 580
    assert not budget.of(600, RUN, dones).is_over
    assert budget.of(25, RUN, dones).is_over


def test_it_is_over_when_nothing_is_left_to_try() -> None:
    dones = one_of_each()
    while (trial := plan.following(dones)) is not None:
        number = len(dones) + 1
        found = measured(number=number)
        dones.append(Done(number=number, trial=trial, took_s=1.0, measured=found))

    assert budget.of(1e6, RUN, dones).is_over


def test_a_load_that_is_more_than_was_stored_is_told_with_what_was_reached() -> None:
    (said,) = remarks.of(RUN, [done(1, stored=4_000)])

    assert "RATE=5,000 is more than this machine stores" in said
    assert "4,000 events/s were reached" in said
    assert "RATE=3200" in said
    assert not remarks.of(RUN, [done(1, stored=4_990)])


def test_settings_that_did_not_run_are_named() -> None:
    failed = Done(
        number=2,
        trial=done(2, {"linger.ms": "5"}).trial,
        took_s=1.0,
        error="normalize ended with code 1",
    )

    assert remarks.of(RUN, [done(1), failed]) == [
        "No figures of linger.ms=5; the table of trials says why."
    ]
