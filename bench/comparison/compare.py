"""Variants compared on one stack: they take turns, round by round, and the results are told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import uvloop
from cyclopts import Parameter
from cyclopts.validators import Number
from rich.console import Console

from bench.comparison import report as reports, results, scenarios
from bench.comparison.report import Report, View
from bench.comparison.results import Measured, Run
from bench.comparison.scenarios import Bench, Variant
from bench.load import closed_loop as loads
from bench.stack import temporary as stack
from bench.stack.temporary import Stack
from bench.watch import machine, rows
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
# Kafka's Java still compiles itself during the first million events, at several times the cost.
_WARM_UPS = 2

Scenario = Literal["apart", "together"]
_Count = Annotated[int, Parameter(validator=Number(gte=1, lte=5_000_000))]


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How long is measured, and where the results go.

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
    json
        A file for all that was measured.
    write
        A document to put the tables into, for example docs/benchmarks.md.
    """

    events: _Count = 500_000
    rounds: _Count = 3
    batch: _Count = 100
    record_events: _Count = 100
    json: Path | None = None
    write: Path | None = None


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


def compare(comparison: Comparison, options: Options) -> Report:
    """Measure on a stack of its own, which is removed afterwards, and tell the results."""
    before = machine.look()
    with stack.running() as running:
        runs, postgres = uvloop.run(_measure(running, comparison, options))
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
    reports.draw(Console(), report, comparison.view)
    if options.json is not None:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    if options.write is not None:
        document = options.write.read_text() if options.write.exists() else "# Benchmarks\n"
        section = reports.markdown(report, comparison.view)
        options.write.write_text(reports.put(document, comparison.name, section))
    return report


async def _measure(
    running: Stack, comparison: Comparison, options: Options
) -> tuple[list[Run], str]:
    """Measure every variant in every round; give the version of PostgreSQL too."""
    with Step(f"Writing requests of {options.events:,} events"):
        load = loads.written(options.events, options.batch)
    async with rows.opened(running.reached.database_url) as table:
        environ = {"INGEST_RECORD_EVENTS_MAX": str(options.record_events)}
        bench = Bench(running, table, load, environ)
        await _warm_up(bench, comparison)
        runs: list[Run] = []
        for scenario, number in product(comparison.scenarios, range(1, options.rounds + 1)):
            for name in results.order(list(comparison.variants), number):
                with Step(f"Round {number} of {options.rounds}, {scenario}, {name}") as step:
                    found = await _SCENARIOS[scenario](bench, comparison.variants[name], step)
                runs += [Run(variant=name, round=number, measured=one) for one in found]
        return runs, await table.version()


async def _warm_up(bench: Bench, comparison: Comparison) -> None:
    first = next(iter(comparison.variants.values()))
    for number in range(1, _WARM_UPS + 1):
        with Step(f"Warming up, {number} of {_WARM_UPS}") as step:
            await _SCENARIOS[comparison.scenarios[0]](bench, first, step)
