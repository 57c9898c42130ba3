"""What points at many loads come to: a curve, its floor, and whether it is what was wanted."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from bench.latency import floor
from bench.latency.points import Point
from bench.report import charts
from bench.report.sheets import Account, Sheet, where
from bench.report.spread import Spread
from bench.watch.machine import Machine
from services.topology import PIPELINE

_STAGES = tuple(hop.stage for hop in PIPELINE)
# Shorter parts are told together.
_PART_MIN_MS = 0.005


class Wanted(NamedTuple):
    """The time to glass that is wanted at a share of the peak (ms)."""

    p50_ms: float | None
    p99_ms: float


WANTED: Mapping[int, Wanted] = {20: Wanted(20, 60), 80: Wanted(None, 250)}


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """All points of one size of request; the peak is in events a second."""

    batch: int
    peak_per_s: float
    points: list[Point]


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """All of one bench."""

    machine: Machine
    rounds: int
    seconds: float
    curves: list[Curve]

    @property
    def points(self) -> list[Point]:
        """All points of all curves."""
        return [point for curve in self.curves for point in curve.points]


class Load(NamedTuple):
    """One share of the peak over all rounds; times to glass with the COMMIT."""

    share: int
    points: Sequence[Point]

    def spread(self, value: Callable[[Point], float]) -> Spread:
        """Return the median of a value, and the lowest and the highest."""
        return Spread.of([value(point) for point in self.points])

    def median(self, value: Callable[[Point], float]) -> float:
        """Return the median of a value."""
        return statistics.median(value(point) for point in self.points)

    @property
    def p50_ms(self) -> float:
        """The median time to glass."""
        return self.median(lambda point: point.due.p50_ms + point.floor.commit.p50_ms)

    @property
    def p90_ms(self) -> float:
        """What 90 % do not exceed."""
        return self.median(lambda point: point.due.p90_ms + point.floor.commit.p90_ms)

    @property
    def p99_ms(self) -> float:
        """What 99 % do not exceed."""
        return self.median(lambda point: point.due.p99_ms + point.floor.commit.p99_ms)

    @property
    def is_wanted(self) -> bool | None:
        """Whether it is as short as wanted; `None` where nothing is wanted."""
        if (wanted := WANTED.get(self.share)) is None:
            return None
        is_low = wanted.p50_ms is None or self.p50_ms <= wanted.p50_ms
        return is_low and self.p99_ms <= wanted.p99_ms


def loads(curve: Curve) -> list[Load]:
    """Put the points of each share together, the lowest first."""
    shares = sorted({point.share for point in curve.points})
    return [Load(share, [one for one in curve.points if one.share == share]) for share in shares]


def account(told: Told) -> Account:
    """Tell all of it."""
    # Of a bench that was ended early, the last curve may have none.
    curves = [curve for curve in told.curves if curve.points]
    return Account(
        name="latency",
        told=told,
        preamble=[*where(told.machine), _method(told)],
        sheets=[sheet for curve in curves for sheet in _sheets(curve)],
        remarks=[text for curve in curves for text in remarks(curve)],
        charts={f"latency-{curve.batch}": _chart(curve) for curve in curves},
    )


def remarks(curve: Curve) -> Iterator[str]:
    """Say where it is not as was wanted, and what became of what was accepted."""
    for load in loads(curve):
        if load.is_wanted is False:
            yield (
                f"{curve.batch} a request, {load.share} % of the peak: not within what was wanted, "
                f"p50 {load.p50_ms:.1f} ms and p99 {load.p99_ms:.1f} ms."
            )
    accepted = sum(point.answers.get(202, 0) for point in curve.points)
    missing = sum(point.missing_events for point in curve.points)
    yield (
        f"{curve.batch} a request: of {accepted * curve.batch:,} accepted events {missing:,} were "
        "not stored in the end."
    )


def _method(told: Told) -> str:
    return (
        f"Open loop, {told.seconds:g} s a point after 4 s that do not count, {told.rounds} rounds "
        "in shuffled order; medians of the rounds. Times to glass count from the moment at which a "
        "request was to be sent, over all accepted events; rows are stamped before the COMMIT, so "
        "its p50, p90 and p99 of sampled requests are added to those. CPU is that of the stages."
    )


def _sheets(curve: Curve) -> Iterator[Sheet]:
    said = f"{curve.batch} events a request, the peak is {curve.peak_per_s:,.0f} events/s"
    yield Sheet(
        said,
        ("% of peak", "offered/s", "stored/s", "p50 ms", "p90 ms", "p99 ms", "wanted", "kept"),
        [_time_cells(load) for load in loads(curve)],
    )
    yield Sheet(
        "The same loads; from the receipt, until the answer, and what was refused or had to wait",
        ("% of peak", "receipt p50", "p99 ms", "answer p99", "COMMIT p50", "p99 ms",
         "refused", "backlog", "drained s", "CPU µs"),
        [_more_cells(load) for load in loads(curve)],
    )  # fmt: skip
    yield _floor_sheet(loads(curve)[0])


def _time_cells(load: Load) -> list[str]:
    wanted = WANTED.get(load.share)
    limits = [
        f"{name} {limit:g}"
        for name, limit in (("p50", wanted.p50_ms), ("p99", wanted.p99_ms))
        if limit is not None
    ] if wanted else []  # fmt: skip
    return [
        f"{load.share}",
        f"{load.median(lambda point: point.offered_per_s):,.0f}",
        f"{load.median(lambda point: point.stored_per_s):,.0f}",
        f"{load.p50_ms:,.1f}",
        f"{load.p90_ms:,.1f}",
        f"{load.p99_ms:,.1f}",
        ", ".join(limits),
        {True: "yes", False: "no", None: ""}[load.is_wanted],
    ]


def _more_cells(load: Load) -> list[str]:
    return [
        f"{load.share}",
        f"{load.median(lambda point: point.received.p50_ms):,.1f}",
        f"{load.median(lambda point: point.received.p99_ms):,.1f}",
        f"{load.median(lambda point: point.answer.p99_ms):,.1f}",
        f"{load.median(lambda point: point.floor.commit.p50_ms):.1f}",
        f"{load.median(lambda point: point.floor.commit.p99_ms):.1f}",
        f"{sum(point.refused for point in load.points):,}",
        f"{load.median(lambda point: point.backlog_events):,.0f}",
        f"{load.median(lambda point: point.drained_s):.1f}",
        f"{load.median(_stages_us):.1f}",
    ]


def _stages_us(point: Point) -> float:
    return sum(point.cpu_us_per_event[stage] for stage in _STAGES)


def _floor_sheet(load: Load) -> Sheet:
    """Show the parts of the way, of the sampled requests; they add up to the whole."""
    floors = [point.floor for point in load.points]
    traces = sum(one.traces for one in floors)
    parts = floor.together(floors)
    late_ms = statistics.fmean(point.late.mean_ms for point in load.points)
    whole_ms = late_ms + sum(one.mean_ms for one in parts)
    rows = [["client", "until the door has it", "", late_ms]]
    rows += [[one.stage or "?", one.kind, one.part, one.mean_ms]
             for one in parts if one.mean_ms >= _PART_MIN_MS]  # fmt: skip
    rest_ms = sum(one.mean_ms for one in parts if one.mean_ms < _PART_MIN_MS)
    rows += [["shorter ones", "", "", rest_ms], ["whole", "", "", whole_ms]]
    return Sheet(
        f"Where the time goes at {load.share} % of the peak, the mean of {traces:,} waterfalls",
        ("stage", "kind", "part", "mean ms", "share"),
        [[*map(str, names), f"{ms:.2f}", f"{ms / whole_ms:.1%}"] for *names, ms in rows],
        words=3,
    )


def _chart(curve: Curve) -> str:
    lines = {
        name: [(load.median(lambda point: point.offered_per_s), value(load))
               for load in loads(curve)]
        for name, value in (
            ("p50", lambda load: load.p50_ms),
            ("p90", lambda load: load.p90_ms),
            ("p99", lambda load: load.p99_ms),
        )
    }  # fmt: skip
    title = f"Time to glass against offered load, {curve.batch} events a request"
    return charts.lines(title, "events/s offered", "ms", lines, log_y=True)
