"""`bench collector`: the throughput of the pipeline while its collector fails in each way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from bench.comparison.compare import Comparison, Options, Scenario, compare
from bench.comparison.report import CPU, CPU_RATIO, RATIO, Column, View
from bench.comparison.results import Run
from bench.comparison.scenarios import Variant
from bench.report.target import Target
from bench.stack import collectors
from bench.stack.receiver import Kind
from bench.stack.stages import sampled
from tools.errors import OperatorError

_HEALTHY = Kind.HEALTHY.value
_DEAD = "dead"
# All requests, so that it is known how many spans there must be.
_ALL = sampled(1)
# What is first is what the others are compared with.
VARIANTS: Mapping[str, Variant] = {
    **{kind.value: Variant(_ALL, collectors.started(kind)) for kind in Kind},
    _DEAD: Variant(_ALL, collectors.dead),
}
_WANTED_RATIO = 0.95
_PARTS = ("door", "stages", "pipeline")
VIEW = View(
    (
        Column("collector", lambda row: row.line.variant),
        Column("1,000/s", lambda row: f"{row.line.events_per_s.median / 1e3:.1f}"),
        RATIO,
        CPU,
        CPU_RATIO,
        Column("exported", lambda row: f"{row.line.spans.exported:,}"),
        Column("lost", lambda row: f"{row.line.spans.lost:,}"),
        Column("stop s", lambda row: f"{row.line.stop_s.highest:.1f}"),
    ),
    f"A ratio of the throughput of {_WANTED_RATIO} is wanted. CPU is that of the stages for one "
    "event. Spans are those of all rounds, and a stop is the longest of any stage.",
)


def collector(
    options: Options | None = None,
    *,
    target: Target | None = None,
    variant: Sequence[Literal["healthy", "dead", "hung", "slow", "refusing", "rejecting"]] = (
        _HEALTHY,
        _DEAD,
        "hung",
        "slow",
        "refusing",
        "rejecting",
    ),
    scenario: Sequence[Scenario] = ("together",),
) -> None:
    """Measure what a bad collector costs, on a stack of its own that is removed afterwards.

    Fails if a span is neither exported nor counted as lost.

    Parameters
    ----------
    variant
        What is compared; the first is what the others are compared with.
    scenario
        apart: the door, then the stages. together: all of them.
    """
    wanted = {name: _WANTED_RATIO for name in variant if name != _HEALTHY}
    comparison = Comparison(
        name="collector",
        variants={name: VARIANTS[name] for name in variant},
        scenarios=scenario,
        wanted=dict.fromkeys(_PARTS, wanted) if variant[0] == _HEALTHY else {},
        view=VIEW,
        remarks=lambda runs: list(miscounts(runs)),
    )
    report = compare(comparison, options or Options(), target or Target())
    if report.remarks:
        raise OperatorError("Spans are missing from the counts; see above.")


def miscounts(runs: Sequence[Run]) -> Iterator[str]:
    """Say where spans are missing: every run makes as many, and what is exported has arrived."""
    expected: dict[str, dict[str, int]] = {}
    for run in runs:
        measured = run.measured
        where = f"{run.variant}, {measured.part}, round {run.round}"
        emitted = {stage: ending.spans.emitted for stage, ending in measured.endings.items()}
        first = expected.setdefault(measured.part, emitted)
        for stage in emitted:
            if emitted[stage] != first[stage]:
                yield f"{where}: {stage} counts {emitted[stage]:,} spans of {first[stage]:,}."
        if measured.spans.exported != measured.spans_taken:
            yield (
                f"{where}: {measured.spans.exported:,} spans are counted as exported, and the "
                f"collector took {measured.spans_taken:,}."
            )
