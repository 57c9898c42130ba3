"""What fits in a budget of time."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.tune import plan
from bench.tune.folder import Run
from bench.tune.trial import Done
from tools.errors import OperatorError

WARM_UP_S = 2.0
# Until a stack is there and Kafka's Java has compiled itself.
START_S = 35.0
# Starting and stopping the stages of a trial, and reading what it left.
_AROUND_S = 6.0
# One of each, and as many again for what was promising.
_TRIALS_WANTED = 45
_WINDOW_MIN_S, _WINDOW_MAX_S = 3.0, 30.0
_NAMED_MAX = 6


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of a budget is left, and what an operator should know of it."""

    left_s: float
    is_over: bool
    remarks: list[str] = field(default_factory=list[str])


def window_s(budget_s: float) -> float:
    """Return how long to measure in each trial."""
    fitting_s = (budget_s - START_S) / _TRIALS_WANTED - WARM_UP_S - _AROUND_S
    return round(min(max(fitting_s, _WINDOW_MIN_S), _WINDOW_MAX_S), 1)


def of(budget_s: float, run: Run, dones: Sequence[Done]) -> Plan:
    """Look at a budget after some trials. Raises `OperatorError` if not even one fits."""
    left_s = budget_s - sum(done.took_s for done in dones)
    trial_s = expected_s(run, dones)
    left = plan.one_by_one()[len([done for done in dones if done.trial.phase != "many"]) :]
    if dones and (left_s < trial_s or plan.following(dones) is None):
        return Plan(left_s, is_over=True)
    fitting = int((left_s - START_S) / trial_s)
    if fitting < 1 and not dones:
        raise OperatorError(
            f"BUDGET={budget_s:.0f} is too short: a stack takes about {START_S:.0f} s to start and "
            f"a trial {trial_s:.0f} s. BUDGET={_round_up(START_S + 2 * trial_s)} would do for the "
            f"defaults and one other value, {_minutes(START_S + len(left) * trial_s)} for one "
            "trial of each value."
        )
    whole_s = budget_s - left_s + START_S + len(left) * trial_s
    return Plan(left_s, is_over=False, remarks=_remarks(fitting, left, whole_s))


def expected_s(run: Run, dones: Sequence[Done]) -> float:
    """Return how long a trial takes."""
    if dones:
        return statistics.median(done.took_s for done in dones)
    return run.warm_up_s + run.window_s + _AROUND_S


def _remarks(fitting: int, left: Sequence[plan.Trial], whole_s: float) -> list[str]:
    if fitting >= len(left):
        return []
    fitting = max(fitting, 1)
    named = ", ".join(trial.title for trial in left[: min(fitting, _NAMED_MAX)])
    more = f" and {fitting - _NAMED_MAX} more" if fitting > _NAMED_MAX else ""
    return [
        f"About {fitting} of {len(left)} trials fit in what is left of the budget: {named}{more}. "
        f"One of each takes {_minutes(whole_s)}, and nothing is combined before."
    ]


def _minutes(length_s: float) -> str:
    return f"BUDGET={int(length_s / 60) + 1}m"


def _round_up(length_s: float) -> int:
    return (int(length_s / 10) + 1) * 10
