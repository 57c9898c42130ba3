"""What was measured, and what it comes to over the rounds."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from typing import Self

import msgspec

from services.topology import PIPELINE

_STAGES = tuple(hop.stage for hop in PIPELINE)


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the pipeline, once; processor time is of each process, by its name."""

    part: str
    events: int
    took_s: float
    cpu_us_per_event: dict[str, float]
    spans_exported: int
    spans_lost: int

    @property
    def events_per_s(self) -> float:
        """How much it did."""
        return self.events / self.took_s

    @property
    def stages_us_per_event(self) -> float:
        """The processor time of the stages, without what they stand on."""
        return sum(self.cpu_us_per_event.get(stage, 0) for stage in _STAGES)


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A measurement and where it stands among the others; rounds count from 1."""

    variant: str
    round: int
    measured: Measured


class Spread(msgspec.Struct, frozen=True):
    """A median, and the lowest and the highest of the values it is of."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Sum up some values, at least one."""
        return cls(statistics.median(values), min(values), max(values))


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One part in one variant over all rounds; ratios are of the first variant, round by round."""

    part: str
    variant: str
    events_per_s: Spread
    throughput_ratio: Spread
    stages_us_per_event: Spread
    cpu_ratio: Spread
    jaeger_us_per_event: Spread
    spans_exported: int
    spans_lost: int


def lines(runs: Sequence[Run]) -> list[Line]:
    """Sum up all runs: part by part, in each the variants in the order they first came."""
    parts = dict.fromkeys(run.measured.part for run in runs)
    variants = dict.fromkeys(run.variant for run in runs)
    first = next(iter(variants), "")
    return [
        _line(_of(runs, part, variant), _of(runs, part, first))
        for part in parts
        for variant in variants
    ]


def order(variants: Sequence[str], number: int) -> Iterator[str]:
    """Return the variants as a round takes them: each begins with another one."""
    first = (number - 1) % len(variants)
    yield from (*variants[first:], *variants[:first])


def _of(runs: Sequence[Run], part: str, variant: str) -> list[Run]:
    found = [run for run in runs if (run.measured.part, run.variant) == (part, variant)]
    return sorted(found, key=lambda run: run.round)


def _line(runs: Sequence[Run], base: Sequence[Run]) -> Line:
    measured = [run.measured for run in runs]
    pairs = list(zip(measured, (run.measured for run in base), strict=True))
    return Line(
        part=measured[0].part,
        variant=runs[0].variant,
        events_per_s=Spread.of([one.events_per_s for one in measured]),
        throughput_ratio=Spread.of([one.events_per_s / of.events_per_s for one, of in pairs]),
        stages_us_per_event=Spread.of([one.stages_us_per_event for one in measured]),
        cpu_ratio=Spread.of([one.stages_us_per_event / of.stages_us_per_event
                             for one, of in pairs]),
        jaeger_us_per_event=Spread.of([one.cpu_us_per_event["jaeger"] for one in measured]),
        spans_exported=sum(one.spans_exported for one in measured),
        spans_lost=sum(one.spans_lost for one in measured),
    )  # fmt: skip
