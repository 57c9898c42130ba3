"""Which settings are worth their price: throughput, p99 time to glass and processor time."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from bench.report.spread import Spread
from bench.tune.trial import Done, Measured

# A window has edges: an event that was late at its end looks like one that was not stored.
SHARE_MIN = 0.95
_SHARE_STEP = 0.05
# What less throughput counts beside latency and processor time.
_SHARE_WEIGHT = 5.0
# Once may be luck.
RECOMMENDED_FROM_TIMES = 2


@dataclass(frozen=True, slots=True)
class Point:
    """One setting over all its trials; `dones` is never empty, and in the order of time."""

    title: str
    changes: dict[str, str]
    dones: list[Done]

    @property
    def measured(self) -> list[Measured]:
        """What was measured of it."""
        return [done.measured for done in self.dones if done.measured is not None]

    @property
    def times(self) -> int:
        """How often it was tried."""
        return len(self.dones)

    @property
    def share(self) -> Spread:
        """How much of the load was stored while it lasted."""
        return Spread.of([one.share for one in self.measured])

    @property
    def stored(self) -> Spread:
        """Events stored a second."""
        return Spread.of([one.stored for one in self.measured])

    @property
    def p50_ms(self) -> Spread:
        """Half of the events took no longer to the glass."""
        return Spread.of([one.time_to_glass.p50 for one in self.measured])

    @property
    def p99_ms(self) -> Spread:
        """One in a hundred took longer."""
        return Spread.of([one.time_to_glass.p99 for one in self.measured])

    @property
    def cpu_us(self) -> Spread:
        """Processor time of the stages for an event."""
        return Spread.of([one.stages_us for one in self.measured])

    @property
    def kafka_us(self) -> Spread:
        """Processor time of the broker for an event."""
        return Spread.of([one.kafka_us for one in self.measured])

    @property
    def axes(self) -> tuple[float, float, float]:
        """What is wanted small: the missing share of the load, p99 and processor time."""
        missing = 1 - self.share.median
        stepped = round(missing / _SHARE_STEP) * _SHARE_STEP if missing > 1 - SHARE_MIN else 0.0
        return stepped, self.p99_ms.median, self.cpu_us.median


@dataclass(frozen=True, slots=True)
class Choice:
    """What to set, and why; `point` is `None` where the defaults are to stay."""

    point: Point | None
    why: str


def points(dones: Sequence[Done]) -> list[Point]:
    """Put trials of the same setting together, in the order they first came; no slow ones."""
    found: defaultdict[str, list[Done]] = defaultdict(list)
    for done in dones:
        if done.measured is not None and done.trial.phase != "slow":
            found[done.trial.title].append(done)
    return [Point(title, dict(of[0].trial.changes), of) for title, of in found.items()]


def defaults(found: Sequence[Point]) -> Point | None:
    """Find the point of the defaults; `None` if they were not measured."""
    return next((point for point in found if not point.changes), None)


def front(found: Sequence[Point]) -> list[Point]:
    """Return the points than which none is better, sorted by p99."""
    best = [one for one in found if not any(dominates(other, one) for other in found)]
    return sorted(best, key=lambda point: point.axes[1])


def dominates(one: Point, other: Point) -> bool:
    """Whether `one` is nowhere worse than `other`, and somewhere better."""
    return one.axes != other.axes and all(
        mine <= theirs for mine, theirs in zip(one.axes, other.axes, strict=True)
    )


def score(point: Point, base: Point) -> float:
    """Weigh a point against the defaults; below 0 is better, -0.1 about a tenth of one axis."""
    _, p99_ms, cpu_us = (
        math.log(max(mine, 1e-9) / max(theirs, 1e-9))
        for mine, theirs in zip(point.axes, base.axes, strict=True)
    )
    return p99_ms + cpu_us + _SHARE_WEIGHT * (point.axes[0] - base.axes[0])


def is_better(point: Point, base: Point) -> bool:
    """Whether it is nowhere worse than the defaults, and once better than every run of theirs."""
    if point.axes[0] > base.axes[0] or point.p99_ms.median > base.p99_ms.median:
        return False
    if point.cpu_us.median > base.cpu_us.median:
        return False
    return (
        point.axes[0] < base.axes[0]
        or point.p99_ms.median < base.p99_ms.lowest
        or point.cpu_us.median < base.cpu_us.lowest
    )


def choose(found: Sequence[Point]) -> Choice:
    """Choose what to recommend: better than the defaults, seen more than once."""
    base = defaults(found)
    if base is None:
        return Choice(None, "The defaults were not measured, so nothing can be compared with them.")
    better = [point for point in found if point is not base and is_better(point, base)]
    sure = [point for point in better if point.times >= RECOMMENDED_FROM_TIMES]
    if sure:
        best = min(sure, key=lambda point: score(point, base))
        return Choice(best, _gain(best, base))
    if better:
        names = ", ".join(point.title for point in better[:3])
        return Choice(
            None,
            f"{names}: better than the defaults, but measured once, which may be luck; "
            "run the same command with a larger BUDGET.",
        )
    above = [point for point in found if dominates(point, base)]
    if above:
        return Choice(
            None,
            "What was better than the defaults was so by less than the defaults differ from "
            "themselves.",
        )
    return Choice(
        None,
        "The defaults are on the front: nothing tried is at least as good on all three axes.",
    )


def _gain(best: Point, base: Point) -> str:
    return (
        f"{best.title}: p99 time to glass {best.p99_ms.median:,.1f} ms instead of "
        f"{base.p99_ms.median:,.1f}, the median {best.p50_ms.median:,.1f} instead of "
        f"{base.p50_ms.median:,.1f}, {best.cpu_us.median:.1f} µs of processor time an event "
        f"instead of {base.cpu_us.median:.1f}, {best.stored.median:,.0f} events/s stored instead "
        f"of {base.stored.median:,.0f}; medians of {best.times} and {base.times} trials."
    )
