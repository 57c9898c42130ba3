"""What was measured, and what it comes to over the rounds."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from bench.report.spread import Spread
from bench.stack.collectors import COLLECTOR
from bench.stack.endings import Ending, Spans
from services.topology import PIPELINE

_STAGES = tuple(hop.stage for hop in PIPELINE)


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the pipeline, once; processor time is of each process, by its name."""

    part: str
    events: int
    took_s: float
    cpu_us_per_event: dict[str, float]
    # Of each stage, by its name.
    endings: dict[str, Ending]
    # What the collector says, if it counts.
    spans_taken: int | None = None

    @property
    def events_per_s(self) -> float:
        """How much it did."""
        return self.events / self.took_s

    @property
    def stages_us_per_event(self) -> float:
        """The processor time of the stages, without what they stand on."""
        return sum(self.cpu_us_per_event.get(stage, 0) for stage in _STAGES)

    @property
    def collector_us_per_event(self) -> float:
        """The processor time of the collector; none if there is no process."""
        return self.cpu_us_per_event.get(COLLECTOR, 0)

    @property
    def spans(self) -> Spans:
        """The spans of all stages."""
        return Spans.total(ending.spans for ending in self.endings.values())

    @property
    def stop_s(self) -> float:
        """How long the last stage took to end; all of them are told to at once."""
        return max(ending.took_s for ending in self.endings.values())


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A measurement and where it stands among the others; rounds count from 1."""

    variant: str
    round: int
    measured: Measured


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One part in one variant over all rounds; ratios are of the first variant, round by round."""

    part: str
    variant: str
    events_per_s: Spread
    throughput_ratio: Spread
    stages_us_per_event: Spread
    cpu_ratio: Spread
    collector_us_per_event: Spread
    stop_s: Spread
    spans: Spans


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
        collector_us_per_event=Spread.of([one.collector_us_per_event for one in measured]),
        stop_s=Spread.of([one.stop_s for one in measured]),
        spans=Spans.total(one.spans for one in measured),
    )  # fmt: skip
