"""Variants compared on one stack: they take turns, round by round, and the results are told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from bench.comparison import report as reports, results, scenarios
from bench.comparison.report import Report, View
from bench.comparison.results import Measured, Run
from bench.comparison.scenarios import Bench, Variant
from bench.load import closed_loop
from bench.load.turns import in_turn
from bench.load.warming import warm_up
from bench.report.target import Target
from bench.stack.temporary import Stack, on_a_stack
from bench.watch import machine, table as tables
from tools.progress import Step

_TITLES = {
    "stages": "normalize, decorate and sink, working off what ingest wrote",
    "door": "ingest alone, in a closed loop of requests",
    "pipeline": "all four at once, in a closed loop of requests",
}
_SCENARIOS: Mapping[str, Callable[[Bench, Variant, Step], Awaitable[list[Measured]]]] = {
    "apart": scenarios.apart,
    "together": scenarios.together,
}

Scenario = Literal["apart", "together"]
_Count = Annotated[int, Parameter(validator=Number(gte=1, lte=5_000_000))]


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How long is measured.

    Parameters
    ----------
    events
        Events of each run.
    rounds
        Runs of each variant.
    batch
        Events a request.
    record_events
        Events a record at most; as many as a request has, and each request is a record.
    """

    events: _Count = 500_000
    rounds: _Count = 3
    batch: _Count = 100
    record_events: _Count = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What is compared; the first variant is what the others are compared with."""

    # Of the part of a document.
    name: str
    variants: Mapping[str, Variant]
    scenarios: Sequence[Scenario]
    # Ratios of the throughput, by part and variant.
    wanted: Mapping[str, Mapping[str, float]]
    view: View
    # What a reader must know beside the tables.
    remarks: Callable[[Sequence[Run]], Sequence[str]]


def compare(comparison: Comparison, options: Options, target: Target) -> Report:
    """Measure on a stack of its own, which is removed afterwards, and tell the results."""
    target.check(comparison.name)
    before = machine.look()
    runs, postgres = on_a_stack(lambda stack: _measure(stack, comparison, options))
    report = Report(
        machine=before.having("PostgreSQL", postgres),
        rounds=options.rounds,
        events=runs[0].measured.events,
        batch=options.batch,
        record_events=options.record_events,
        titles=_TITLES,
        wanted={part: dict(ratios) for part, ratios in comparison.wanted.items()},
        lines=results.lines(runs),
        remarks=list(comparison.remarks(runs)),
        runs=runs,
    )
    target.publish(reports.account(comparison.name, report, comparison.view))
    return report


async def _measure(stack: Stack, comparison: Comparison, options: Options) -> tuple[list[Run], str]:
    """Measure every variant in every round; give the version of PostgreSQL too."""
    with Step(f"Writing requests of {options.events:,} events"):
        load = closed_loop.written(options.events, options.batch)
    async with tables.opened(stack.reached.database_url) as table:
        await warm_up(stack, table, options.events)
        environ = {"INGEST_RECORD_EVENTS_MAX": str(options.record_events)}
        bench = Bench(stack, table, load, environ)
        runs: list[Run] = []
        for scenario, number in product(comparison.scenarios, range(1, options.rounds + 1)):
            for name in in_turn(list(comparison.variants), number):
                with Step(f"Round {number} of {options.rounds}, {scenario}, {name}") as step:
                    found = await _SCENARIOS[scenario](bench, comparison.variants[name], step)
                runs += [Run(variant=name, round=number, measured=one) for one in found]
        return runs, await table.version()
