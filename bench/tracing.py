"""`bench tracing`: the throughput of the pipeline with tracing off, at 1 % and at 100 %."""

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

from bench import load as loads, machine, report as reports, results, rows, scenarios, stack
from bench.report import Report
from bench.results import Measured, Run
from bench.scenarios import Bench
from bench.stack import Stack
from tools.progress import Step

_OFF = "off"
# No cap, and nothing rebuilt afterwards: in a backlog every request is a slow one.
_UNCAPPED = {"TRACE_PER_SECOND_MAX": "1e9", "TRACE_RETRO_SLOW_S": "0"}
# What is first is what the others are compared with.
VARIANTS: Mapping[str, Mapping[str, str]] = {
    _OFF: {**_UNCAPPED, "OTEL_SDK_DISABLED": "true"},
    "1%": {**_UNCAPPED, "OTEL_TRACES_SAMPLER_ARG": "0.01"},
    "100%": {**_UNCAPPED, "OTEL_TRACES_SAMPLER_ARG": "1"},
    # As it is if only the export is off: spans are built for what the door has sampled.
    "unsent": {**_UNCAPPED, "OTEL_SDK_DISABLED": "true", "OTEL_TRACES_SAMPLER_ARG": "1"},
    # As delivered: the slow ones of a backlog are rebuilt, up to 200 a second.
    "retro": {"OTEL_TRACES_SAMPLER_ARG": "0.01", "TRACE_PER_SECOND_MAX": "1e9"},
}
_WANTED = {"1%": 0.97, "100%": 0.85}
# What leaves at the end is meant: the door alone takes in several times as much.
_WANTED_OF = ("stages", "pipeline")
_TITLES = {
    "stages": "normalize, decorate and sink, working off what ingest wrote",
    "door": "ingest alone, in a closed loop of requests",
    "pipeline": "all four at once, in a closed loop of requests",
}
_SCENARIOS: Mapping[str, Callable[[Bench, Mapping[str, str], Step], Awaitable[list[Measured]]]] = {
    "apart": scenarios.apart,
    "together": scenarios.together,
}
# Kafka's Java still compiles itself during the first million events, at several times the cost.
_WARM_UPS = 2

_Count = Annotated[int, Parameter(validator=Number(gte=1, lte=5_000_000))]


@Parameter(name="*", negative=())
@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is measured, and how long.

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
    variant
        What is compared; the first is what the others are compared with.
    scenario
        apart: the door, then the stages. together: all of them.
    """

    events: _Count = 500_000
    rounds: _Count = 3
    batch: _Count = 100
    record_events: _Count = 100
    variant: Sequence[Literal["off", "1%", "100%", "unsent", "retro"]] = (_OFF, "1%", "100%")
    scenario: Sequence[Literal["apart", "together"]] = ("apart", "together")


def tracing(
    options: Options | None = None, *, json: Path | None = None, write: Path | None = None
) -> None:
    """Measure what tracing costs, on a stack of its own that is removed afterwards.

    Parameters
    ----------
    json
        A file for all that was measured.
    write
        A document to put the tables into, for example docs/benchmarks.md.
    """
    options = options or Options()
    before = machine.look()
    with stack.running() as running:
        runs, postgres = uvloop.run(_measure(running, options))
    report = Report(
        machine=before.having("PostgreSQL", postgres),
        rounds=options.rounds,
        events=runs[0].measured.events,
        batch=options.batch,
        record_events=options.record_events,
        titles=_TITLES,
        wanted=dict.fromkeys(_WANTED_OF, _WANTED) if options.variant[0] == _OFF else {},
        lines=results.lines(runs),
        runs=runs,
    )
    reports.draw(Console(), report)
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    if write is not None:
        document = write.read_text() if write.exists() else "# Benchmarks\n"
        write.write_text(reports.put(document, "tracing", reports.markdown(report)))


async def _measure(running: Stack, options: Options) -> tuple[list[Run], str]:
    """Measure every variant in every round; give the version of PostgreSQL too."""
    with Step(f"Writing requests of {options.events:,} events"):
        load = loads.written(options.events, options.batch)
    async with rows.opened(running.reached.database_url) as table:
        bench = Bench(running, table, load)
        for number in range(1, _WARM_UPS + 1):
            title = f"Warming up, {number} of {_WARM_UPS}"
            await _run(bench, options, options.scenario[0], options.variant[0], title)
        runs: list[Run] = []
        variants = list(dict.fromkeys(options.variant))
        for scenario, number in product(options.scenario, range(1, options.rounds + 1)):
            for variant in results.order(variants, number):
                title = f"Round {number} of {options.rounds}, {scenario}, {variant}"
                measured = await _run(bench, options, scenario, variant, title)
                runs += [Run(variant=variant, round=number, measured=one) for one in measured]
        return runs, await table.version()


async def _run(
    bench: Bench, options: Options, scenario: str, variant: str, title: str
) -> list[Measured]:
    environ = {**VARIANTS[variant], "INGEST_RECORD_EVENTS_MAX": str(options.record_events)}
    with Step(title) as step:
        return await _SCENARIOS[scenario](bench, environ, step)
