"""What is tried next: one value at a time, then combinations of the best, fewer each round."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

from bench.tune import front, knobs
from bench.tune.front import Point
from bench.tune.knobs import LINGER, MAX_POLL_INTERVAL, MAX_POLL_RECORDS, Changes
from bench.tune.trial import Done, Trial
from services.topology import DECORATE

# The machine changes while trials go on, so the defaults come again and again.
_DEFAULTS_EVERY = 5
_CANDIDATES_MAX = 8
_BEST_MAX = 4
# The last ones are measured in all rounds.
_LEFT_MIN = 2
ROUNDS_MAX = 6
# A stage leaves its group when one poll takes longer.
_SHORT_INTERVAL_MS = 1_000
# It is given so much more to do than it can, that what waits for it soon takes longer than that.
_OVERLOAD = 2.0
_DELAY_MAX_MS = 200
# One that leaves its group leaves it to another.
SLOW_REPLICAS = {f"{DECORATE.stage.upper()}_REPLICAS": "2"}


def one_by_one() -> list[Trial]:
    """Return the trials of single values: first what answers the two questions, then the rest.

    The defaults are the first, the last, and in between.
    """
    asked = {LINGER.name, MAX_POLL_RECORDS.name}
    alone = [Trial(phase="one", changes=changes) for changes in knobs.singles()]
    first = [one for one in alone if one.changes.keys() & asked]
    rest = [one for one in alone if one not in first]
    ordered = [*first, *_slow(), *rest]
    trials = [Trial(phase="one")]
    for number, trial in enumerate(ordered, start=1):
        trials.append(trial)
        if number % _DEFAULTS_EVERY == 0:
            trials.append(Trial(phase="one"))
    return trials if not trials[-1].changes else [*trials, Trial(phase="one")]


def _slow() -> list[Trial]:
    short = {MAX_POLL_INTERVAL.name: str(_SHORT_INTERVAL_MS)}
    few = {MAX_POLL_RECORDS.name: "10"}
    return [Trial(phase="slow", changes=changes) for changes in ({}, short, {**short, **few})]


def slow_ms(records_per_s: float) -> int:
    """Return how long a record must take for two replicas that get so many to be overloaded."""
    each_ms = 2 * 1_000 * _OVERLOAD / max(records_per_s, 1.0)
    return min(max(math.ceil(each_ms), 1), _DELAY_MAX_MS)


def following(dones: Sequence[Done]) -> Trial | None:
    """Return the next trial after these; `None` if there is nothing more to find out."""
    trials = one_by_one()
    past = [done for done in dones if done.trial.phase != "many"]
    if len(past) < len(trials):
        return trials[len(past)]
    left = candidates(past)
    for number in range(1, ROUNDS_MAX + 1):
        if not left:
            return None
        tried = {done.trial.title for done in dones if done.trial.round == number}
        for changes in ({}, *left):
            trial = Trial(phase="many", changes=dict(changes), round=number)
            if trial.title not in tried:
                return trial
        left = _halved(left, [done for done in dones if done.trial.round <= number])
    return None


def candidates(dones: Sequence[Done]) -> list[dict[str, str]]:
    """Return what to combine after the single values: the best of each knob, alone and together."""
    found = front.points(dones)
    base = front.defaults(found)
    if base is None:
        return []
    best: dict[str, Point] = {}
    for point in sorted(found, key=lambda point: front.score(point, base)):
        for name in point.changes:
            best.setdefault(name, point)
    ranked = [point for point in best.values() if front.score(point, base) < 0][:_BEST_MAX]
    if not ranked:
        # Nothing was better; the nearest are tried again, because once may be bad luck.
        return [point.changes for point in list(best.values())[:_LEFT_MIN]]
    sizes = range(len(ranked), 0, -1)
    together = [_merged(some) for size in sizes for some in combinations(ranked, size)]
    # By what they promise, and always the best alone: what is good apart may be bad together.
    together.sort(key=lambda changes: _expected(changes, ranked, base))
    kept = [changes for changes in together if changes != ranked[0].changes]
    return [*kept[: _CANDIDATES_MAX - 1], ranked[0].changes]


def _merged(some: Sequence[Point]) -> dict[str, str]:
    return {name: value for point in some for name, value in point.changes.items()}


def _expected(changes: Changes, ranked: Sequence[Point], base: Point) -> float:
    return sum(front.score(one, base) for one in ranked if one.changes.items() <= changes.items())


def _halved(left: list[dict[str, str]], dones: Sequence[Done]) -> list[dict[str, str]]:
    """Keep the better half, at least `_LEFT_MIN`; one that failed is not kept."""
    found = front.points(dones)
    base = front.defaults(found)
    assert base is not None
    by_title = {point.title: point for point in found}
    alive = [by_title[knobs.title(one)] for one in left if knobs.title(one) in by_title]
    alive.sort(key=lambda point: front.score(point, base))
    kept = max(math.ceil(len(alive) / 2), _LEFT_MIN)
    return [point.changes for point in alive[:kept]]
