"""`bench scaling`: throughput and processor time as replicas grow, and as what is stored grows."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import uvloop
from cyclopts import Parameter
from cyclopts.validators import Number

from bench.comparison.results import order
from bench.comparison.scenarios import UNCAPPED
from bench.load import bodies
from bench.load.rig import Rig
from bench.report import sheets
from bench.scaling import costs
from bench.scaling.costs import Costs
from bench.scaling.growth import Made, Told, Weighed, Worked, account, costs_of
from bench.stack import fleet, temporary as stack
from bench.stack.fleet import Usage
from bench.stack.temporary import Stack
from bench.watch import arrivals, machine
from bench.watch.arrivals import Sizes
from services.topology import DECORATE, NORMALIZE, SINK
from tools.errors import OperatorError
from tools.progress import Step

_REPLICAS = (1, 2, 4)
_REPLICATED = (NORMALIZE.stage, DECORATE.stage, SINK.stage)
_SIZES = (100_000, 1_000_000, 10_000_000)
_ENVIRON = {**UNCAPPED, "OTEL_TRACES_SAMPLER_ARG": "0.01"}
# Kafka's Java still compiles itself during the first million events, at several times the cost.
_WARM_UPS = 5
# What comes before a measured run, so that no reader waits for its partitions in it.
_FIRST_EVENTS = 20_000
# What is stored at once while a table is filled.
_CHUNK_EVENTS = 500_000
_WEIGHED_REQUESTS = 400
# Three topics, a table with its indexes and what is written ahead of it, rounded up.
_BYTES_PER_EVENT = 1_500
_SPARE_BYTES = 4 << 30
# What is still written when the last row is there counts too.
_SETTLE_S = 0.6
_EMPTY: Mapping[str, str] = MappingProxyType({})


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How much is sent, and where the results go.

    Parameters
    ----------
    events
        Events of each measured run.
    events_max
        Up to how many events are stored, for the part on size; 10000000 takes ten minutes more.
    replicas
        How many replicas normalize, decorate and sink have, each of them.
    rounds
        Runs of each.
    batch
        Events a request.
    json
        A file for all that was measured; `bench sizing` reads it.
    write
        A document to put the tables into, for example docs/benchmarks.md.
    """

    events: Annotated[int, Parameter(validator=Number(gte=1_000, lte=5_000_000))] = 200_000
    events_max: Annotated[int, Parameter(validator=Number(gte=0, lte=100_000_000))] = 1_000_000
    replicas: tuple[Annotated[int, Parameter(validator=Number(gte=1, lte=12))], ...] = _REPLICAS
    rounds: Annotated[int, Parameter(validator=Number(gte=1, lte=100))] = 3
    batch: Annotated[int, Parameter(validator=Number(gte=1, lte=1_000))] = 100
    json: Path | None = None
    write: Path | None = None


@dataclass(frozen=True, slots=True)
class _Look:
    """What was taken by a moment."""

    usage: Usage
    sizes: Sizes
    log_bytes: Mapping[str, int]


def scaling(options: Options | None = None) -> None:
    """Measure more replicas and more events stored, on a stack that is removed afterwards."""
    wished = options or Options()
    before = machine.look()
    with stack.running() as running:
        check_disk(running.settings.data, wished)
        told = uvloop.run(_measure(running, wished, before))
    sheets.publish(account(told), wished.json, wished.write)


async def _measure(running: Stack, options: Options, before: machine.Machine) -> Told:
    with Step(f"Writing {options.events:,} events"):
        written = bodies.endless(options.events, options.batch)
    async with arrivals.opened(running.reached.database_url) as table:
        rig = Rig(running, table, written, options.batch, [])
        await _warm_up(rig, options)
        by_replicas = [
            await _replicated(rig, options, int(replicas), number)
            for number in range(1, options.rounds + 1)
            for replicas in order([str(one) for one in options.replicas], number)
        ]
        by_size = await _sized(rig, options)
        found = await _costs(rig, options, by_replicas)
        postgres = await table.version()
    return Told(
        machine=before.having("PostgreSQL", postgres),
        rounds=options.rounds,
        batch=options.batch,
        by_replicas=by_replicas,
        by_size=by_size,
        costs=found,
    )


async def _warm_up(rig: Rig, options: Options) -> None:
    async with _running(rig, 1) as working:
        for number in range(1, _WARM_UPS + 1):
            with Step(f"Warming up, {number} of {_WARM_UPS}") as step:
                await working.saturate(options.events, step)


async def _replicated(rig: Rig, options: Options, replicas: int, number: int) -> Worked:
    """Work off a load with so many replicas, into an empty table."""
    title = f"Round {number} of {options.rounds}, {replicas} of each stage"
    async with _running(rig, replicas) as working:
        with Step(title) as step:
            await rig.table.clear()
            await working.saturate(_FIRST_EVENTS, step)
            return await _worked(working, options, Made(number, replicas, _FIRST_EVENTS), step)


async def _sized(rig: Rig, options: Options) -> list[Worked]:
    """Work off loads on top of more and more rows, and more and more of a log."""
    found: list[Worked] = []
    stored = 0
    await rig.table.clear()
    async with _running(rig, 1) as working:
        for size in (size for size in _SIZES if size <= options.events_max):
            with Step(f"Storing {size:,} events") as step:
                while stored < size:
                    await working.saturate(min(_CHUNK_EVENTS, size - stored), step)
                    stored += min(_CHUNK_EVENTS, size - stored)
            for number in range(1, options.rounds + 1):
                with Step(f"On top of {stored:,} events") as step:
                    made = Made(number, 1, stored)
                    found.append(await _worked(working, options, made, step))
                stored += found[-1].events
    return found


async def _costs(rig: Rig, options: Options, worked: Sequence[Worked]) -> Costs:
    """Take what one event costs from the runs with one replica, and weigh spans."""
    async with costs.weighing() as (scale, environ), _running(rig, 1, environ) as working:
        spans_per_request, bytes_per_span = await costs.weigh(working, scale, _WEIGHED_REQUESTS)
    weighed = Weighed(
        batch=options.batch,
        http_bytes=costs.body_bytes(rig),
        copied_us=await costs.copied_us(rig.stack.reached.database_url),
        spans_per_request=spans_per_request,
        bytes_per_span=bytes_per_span,
    )
    fewest = min(options.replicas)
    return costs_of([one for one in worked if one.made.replicas == fewest], weighed)


async def _worked(rig: Rig, options: Options, made: Made, step: Step) -> Worked:
    before = await _look(rig)
    window = await rig.saturate(options.events, step)
    await asyncio.sleep(_SETTLE_S)
    after = await _look(rig)
    events = max(1, options.events // rig.batch) * rig.batch
    return Worked(
        made=made,
        events=events,
        took_s=window.last_s - window.first_s,
        cpu_us=fleet.us_per_event(before.usage, after.usage, events),
        rss_mib={name: held >> 20 for name, held in after.usage.rss_bytes.items()},
        log_bytes={topic: (after.log_bytes[topic] - before.log_bytes[topic]) / events
                   for topic in after.log_bytes},
        table_bytes=(after.sizes.table_bytes - before.sizes.table_bytes) / events,
        wal_bytes=(after.sizes.wal_bytes - before.sizes.wal_bytes) / events,
    )  # fmt: skip


async def _look(rig: Rig) -> _Look:
    return _Look(
        usage=fleet.look(rig.stack, rig.replicas),
        sizes=await rig.table.sizes(),
        log_bytes=costs.logged_bytes(rig.stack.settings.data / "kafka"),
    )


@asynccontextmanager
async def _running(
    rig: Rig, replicas: int, environ: Mapping[str, str] = _EMPTY
) -> AsyncGenerator[Rig]:
    counts = {**fleet.ONE_EACH, **dict.fromkeys(_REPLICATED, replicas)}
    async with fleet.running(rig.stack, {**_ENVIRON, **environ}, counts) as started:
        yield replace(rig, replicas=started)


def check_disk(folder: Path, options: Options) -> None:
    """Raise `OperatorError` if the disk may not hold all that is sent."""
    runs = options.rounds * (len(options.replicas) + len(_SIZES)) + 2
    events = runs * options.events + options.events_max
    needed = events * _BYTES_PER_EVENT + _SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OperatorError(
            f"{events:,} events may take {needed >> 30} GiB in {folder}, where {free >> 30} are "
            "free; choose a smaller --events-max, or set TMPDIR to a folder on a larger disk."
        )
