"""`bench scaling`: throughput and processor time as replicas grow, and as what is stored grows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated

import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number

from bench.load import bodies
from bench.load.rig import Rig
from bench.load.turns import in_turn
from bench.load.warming import warm_up
from bench.report.target import Target
from bench.scaling import costs
from bench.scaling.costs import Costs
from bench.scaling.growth import Made, Told, Weighed, Worked, account, costs_of
from bench.stack import fleet, stages, temporary
from bench.stack.fleet import ONE_EACH
from bench.stack.temporary import Stack, on_a_stack
from bench.watch import arrivals, machine, table as tables, usage
from bench.watch.arrivals import Sizes
from bench.watch.meter import SETTLE_S
from bench.watch.table import Table
from bench.watch.usage import Usage
from services.topology import DECORATE, NORMALIZE, SINK
from tools.progress import Step

_REPLICAS = (1, 2, 4)
_REPLICATED = (NORMALIZE.stage, DECORATE.stage, SINK.stage)
_SIZES = (100_000, 1_000_000, 10_000_000)
# What comes before a measured run, so that no reader waits for its partitions in it.
_FIRST_EVENTS = 20_000
# What is stored at once while a table is filled.
_CHUNK_EVENTS = 500_000
_WEIGHED_REQUESTS = 400
# Three topics, a table with its indexes and what is written ahead of it, rounded up.
_BYTES_PER_EVENT = 1_500
_EMPTY: Mapping[str, str] = MappingProxyType({})


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How much is sent, to how many.

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
    """

    events: Annotated[int, Parameter(validator=Number(gte=1_000, lte=5_000_000))] = 200_000
    events_max: Annotated[int, Parameter(validator=Number(gte=0, lte=100_000_000))] = 1_000_000
    replicas: tuple[Annotated[int, Parameter(validator=Number(gte=1, lte=12))], ...] = _REPLICAS
    rounds: Annotated[int, Parameter(validator=Number(gte=1, lte=100))] = 3
    batch: Annotated[int, Parameter(validator=Number(gte=1, lte=1_000))] = 100


@dataclass(frozen=True, slots=True)
class _Look:
    """What was taken by a moment."""

    usage: Usage
    sizes: Sizes
    log_bytes: Mapping[str, int]


def scaling(options: Options | None = None, *, target: Target | None = None) -> None:
    """Measure more replicas and more events stored, on a stack that is removed afterwards."""
    wished, told_to = options or Options(), target or Target()
    told_to.check("scaling")
    check_disk(wished)
    told = Told(
        machine=machine.look(),
        rounds=wished.rounds,
        batch=wished.batch,
        by_replicas=[],
        by_size=[],
    )
    with told_to.noting(lambda: account(told) if told.by_replicas else None):
        found, postgres = on_a_stack(lambda stack: _measure(stack, wished, told))
    there = told.machine.having("PostgreSQL", postgres)
    told_to.publish(account(msgspec.structs.replace(told, machine=there, costs=found)))


async def _measure(stack: Stack, options: Options, told: Told) -> tuple[Costs, str]:
    """Add each run to what is told; return what an event costs, and the version of PostgreSQL."""
    async with tables.opened(stack.reached.database_url) as table:
        await warm_up(stack, table, options.events)
        written = bodies.endless(options.events, options.batch)
        runs = _Runs(stack, table, written, options)
        for number in range(1, options.rounds + 1):
            for replicas in in_turn(options.replicas, number):
                told.by_replicas.append(await runs.replicated(replicas, number))
        await runs.sized(told.by_size)
        return await runs.costs(told.by_replicas), await table.version()


@dataclass(frozen=True, slots=True)
class _Runs:
    """All runs on one stack, whose stages are started anew for each kind of them."""

    stack: Stack
    table: Table
    bodies: Iterator[bytes]
    options: Options

    async def replicated(self, replicas: int, number: int) -> Worked:
        """Work off a load with so many replicas, into an empty table."""
        title = f"Round {number} of {self.options.rounds}, {replicas} of each stage"
        async with self._running(replicas) as rig:
            with Step(title) as step:
                await self.table.clear()
                await rig.saturate(_FIRST_EVENTS, step.update)
                return await self._worked(rig, Made(number, replicas, _FIRST_EVENTS), step)

    async def sized(self, found: list[Worked]) -> None:
        """Work off loads on top of more and more rows, and more and more of a log."""
        stored = 0
        await self.table.clear()
        async with self._running(1) as rig:
            for size in (size for size in _SIZES if size <= self.options.events_max):
                with Step(f"Storing {size:,} events") as step:
                    while stored < size:
                        chunk = min(_CHUNK_EVENTS, size - stored)
                        await rig.saturate(chunk, step.update)
                        stored += chunk
                for number in range(1, self.options.rounds + 1):
                    with Step(f"On top of {stored:,} events") as step:
                        found.append(await self._worked(rig, Made(number, 1, stored), step))
                    stored += found[-1].events

    async def costs(self, worked: Sequence[Worked]) -> Costs:
        """Take what one event costs from the runs with fewest replicas, and weigh spans."""
        async with costs.weighing() as (scale, environ), self._running(1, environ) as rig:
            spans_per_request, bytes_per_span = await costs.weigh(rig, scale, _WEIGHED_REQUESTS)
        weighed = Weighed(
            batch=self.options.batch,
            http_bytes=costs.body_bytes(self.bodies, self.options.batch),
            copied_us=await costs.copied_us(self.table.connection),
            spans_per_request=spans_per_request,
            bytes_per_span=bytes_per_span,
        )
        fewest = min(self.options.replicas)
        return costs_of([one for one in worked if one.made.replicas == fewest], weighed)

    async def _worked(self, rig: Rig, made: Made, step: Step) -> Worked:
        before = await self._look(rig)
        window = await rig.saturate(self.options.events, step.update)
        await asyncio.sleep(SETTLE_S)
        after = await self._look(rig)
        events = max(1, self.options.events // rig.batch) * rig.batch
        return Worked(
            made=made,
            events=events,
            took_s=window.took_s,
            cpu_us=usage.us_per_event(before.usage, after.usage, events),
            rss_mib={name: held >> 20 for name, held in after.usage.rss_bytes.items()},
            log_bytes={topic: (after.log_bytes[topic] - before.log_bytes[topic]) / events
                       for topic in after.log_bytes},
            table_bytes=(after.sizes.table_bytes - before.sizes.table_bytes) / events,
            wal_bytes=(after.sizes.wal_bytes - before.sizes.wal_bytes) / events,
        )  # fmt: skip

    async def _look(self, rig: Rig) -> _Look:
        return _Look(
            usage=usage.look(self.stack, rig.fleet.replicas),
            sizes=await arrivals.sizes(self.table),
            log_bytes=costs.logged_bytes(self.stack.settings.data / "kafka"),
        )

    @asynccontextmanager
    async def _running(
        self, replicas: int, environ: Mapping[str, str] = _EMPTY
    ) -> AsyncGenerator[Rig]:
        counts = {**ONE_EACH, **dict.fromkeys(_REPLICATED, replicas)}
        variables = {**stages.sampled(0.01), **environ}
        async with fleet.running(self.stack, variables, counts) as working:
            yield Rig(self.stack, self.table, working, self.bodies, self.options.batch)


def check_disk(options: Options) -> None:
    """Raise `OperatorError` if the disk may not hold all that is sent."""
    runs = options.rounds * (len(options.replicas) + len(_SIZES)) + 2
    events = runs * options.events + options.events_max
    temporary.check_disk(events, events * _BYTES_PER_EVENT, "choose a smaller --events-max")
