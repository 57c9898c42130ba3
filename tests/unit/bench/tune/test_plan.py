"""The order of the trials, which depends on nothing but the trials that are over."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from bench.tune import knobs, plan
from bench.tune.trial import Done, Trial
from tests.unit.bench.tune.made import measured, one_of_each

GOOD = {"linger.ms": "5", "fetch.min.bytes": "16384", "compression.type": "none"}


def figures(trial: Trial) -> dict[str, float]:
    """Each value of `GOOD` makes an event cheaper, alone and together with others."""
    good = sum(GOOD.get(name) == value for name, value in trial.changes.items())
    bad = len(trial.changes) - good
    return {"cpu_us": 20.0 - 3 * good + 5 * bad}


def gone_through(
    dones: list[Done] | None = None, figures: Callable[[Trial], dict[str, float]] = figures
) -> list[Done]:
    dones = list(dones or [])
    while (trial := plan.following(dones)) is not None:
        number = len(dones) + 1
        assert number < 500
        found = measured(number=number, **figures(trial))  # type: ignore[arg-type]
        dones.append(Done(number=number, trial=trial, took_s=1.0, measured=found))
    return dones


def test_every_value_of_every_knob_is_tried_alone_and_the_defaults_all_along() -> None:
    trials = plan.one_by_one()
    alone = [trial.changes for trial in trials if trial.phase == "one" and trial.changes]

    assert sorted(map(knobs.title, alone)) == sorted(map(knobs.title, knobs.singles()))
    places = [n for n, one in enumerate(trials) if one.phase == "one" and not one.changes]
    assert places[0] == 0
    assert places[-1] == len(trials) - 1
    assert max(b - a for a, b in itertools.pairwise(places)) <= 6


def test_what_answers_the_two_questions_comes_first() -> None:
    trials = plan.one_by_one()
    asked = [one for one in trials if one.phase == "slow" or one.changes.keys() & {"linger.ms"}]

    assert len(asked) == 6
    assert max(trials.index(one) for one in asked) <= len(asked) + 4


def test_the_best_are_combined_and_found() -> None:
    dones = gone_through()
    rounds = [done for done in dones if done.trial.phase == "many"]
    last = [done.trial.changes for done in rounds if done.trial.round == plan.ROUNDS_MAX]

    assert last[0] == {}
    assert GOOD in last


def test_each_round_has_fewer_candidates_and_the_defaults() -> None:
    rounds = [done.trial for done in gone_through() if done.trial.phase == "many"]
    sizes = [sum(one.round == number for one in rounds) for number in range(1, plan.ROUNDS_MAX + 1)]

    assert sizes[0] > 4
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 3
    for number in range(1, plan.ROUNDS_MAX + 1):
        assert {} in [one.changes for one in rounds if one.round == number]


def test_a_run_that_was_broken_off_goes_on_with_the_same_trials() -> None:
    whole = gone_through()

    for cut in (1, 7, len(plan.one_by_one()), len(whole) - 3):
        again = gone_through(whole[:cut])
        assert [one.trial for one in again] == [one.trial for one in whole]


def test_a_setting_that_does_not_run_is_not_tried_again() -> None:
    dones = [
        Done(number=done.number, trial=done.trial, took_s=1.0, error="it died")
        if done.trial.changes.get("linger.ms")
        else done
        for done in one_of_each()
    ]

    assert not any("linger.ms" in changes for changes in plan.candidates(dones))


def test_two_slow_replicas_get_twice_what_they_can_do() -> None:
    assert plan.slow_ms(400.0) == 10
    assert plan.slow_ms(40.0) == 100
    assert plan.slow_ms(0.0) == 200
    assert plan.slow_ms(1e6) == 1


def test_what_is_good_alone_and_bad_together_is_not_kept_together() -> None:
    def jarring(trial: Trial) -> dict[str, float]:
        good = sum(GOOD.get(name) == value for name, value in trial.changes.items())
        return {"cpu_us": 30.0 if len(trial.changes) > 1 else 20.0 - 3 * good}

    dones = gone_through(figures=jarring)
    last = [done.trial.changes for done in dones if done.trial.round == plan.ROUNDS_MAX]

    assert len(last) == 3
    assert all(len(changes) <= 1 for changes in last)


def test_the_best_alone_is_tried_again_however_many_combinations_promise_more() -> None:
    good = {**GOOD, "SINK_TRANSACTION_EVENTS_MAX": "1000"}

    def each(trial: Trial) -> dict[str, float]:
        return {"cpu_us": 20.0 - 3 * sum(good.get(n) == v for n, v in trial.changes.items())}

    dones = [
        Done(number=number, trial=trial, took_s=1.0, measured=measured(**each(trial)))  # type: ignore[arg-type]
        for number, trial in enumerate(plan.one_by_one(), start=1)
    ]
    found = plan.candidates(dones)

    assert good in found
    assert len(found) == 8
    assert [len(changes) for changes in found].count(1) == 1
