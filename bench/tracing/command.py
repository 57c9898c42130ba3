"""`bench tracing`: the throughput of the pipeline with tracing off, at 1 % and at 100 %."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from bench.comparison import results
from bench.comparison.compare import Comparison, Options, Scenario, compare
from bench.comparison.report import CPU, CPU_RATIO, RATIO, WANTED, Column, View
from bench.comparison.results import Run
from bench.comparison.scenarios import Variant
from bench.report.spread import ranged
from bench.report.target import Target
from bench.stack import collectors
from bench.stack.stages import UNCAPPED, sampled

_OFF = "off"
# What is first is what the others are compared with.
VARIANTS: Mapping[str, Variant] = {
    name: Variant(environ, collectors.jaeger)
    for name, environ in {
        _OFF: {**UNCAPPED, "OTEL_SDK_DISABLED": "true"},
        "1%": sampled(0.01),
        "100%": sampled(1),
        # As delivered: the slow ones of a backlog are rebuilt, up to 200 a second.
        "retro": {"OTEL_TRACES_SAMPLER_ARG": "0.01", "TRACE_PER_SECOND_MAX": "1e9"},
    }.items()
}
_WANTED = {"1%": 0.97, "100%": 0.85}
# What leaves at the end is meant: the door alone takes in several times as much.
_WANTED_OF = ("stages", "pipeline")
VIEW = View(
    (
        Column("tracing", lambda row: row.line.variant),
        Column("1,000 events/s", lambda row: ranged(row.line.events_per_s, ".1f", 1e3)),
        RATIO,
        WANTED,
        CPU,
        CPU_RATIO,
        Column("Jaeger", lambda row: f"{row.line.collector_us_per_event.median:.1f}"),
    ),
    "CPU is that of the stages for one event, and beside it Jaeger's.",
)


def tracing(
    options: Options | None = None,
    *,
    target: Target | None = None,
    variant: Sequence[Literal["off", "1%", "100%", "retro"]] = (_OFF, "1%", "100%"),
    scenario: Sequence[Scenario] = ("apart", "together"),
) -> None:
    """Measure what tracing costs, on a stack of its own that is removed afterwards.

    Parameters
    ----------
    variant
        What is compared; the first is what the others are compared with.
    scenario
        apart: the door, then the stages. together: all of them.
    """
    comparison = Comparison(
        name="tracing",
        variants={name: VARIANTS[name] for name in variant},
        scenarios=scenario,
        wanted=dict.fromkeys(_WANTED_OF, _WANTED) if variant[0] == _OFF else {},
        view=VIEW,
        remarks=losses,
    )
    compare(comparison, options or Options(), target or Target())


def losses(runs: Sequence[Run]) -> list[str]:
    """Say which numbers are of less than all spans."""
    return [
        f"{line.variant}, {line.part}: "
        f"{line.spans.lost:,} of {line.spans.emitted:,} spans were lost."
        for line in results.lines(runs)
        if line.spans.lost
    ]
