"""One run of a peer: topics and a table of its own, three processes, and what they took."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from bench.comparison.results import COLLECTOR
from bench.peers import feeding, supply
from bench.peers.entrants import BEHIND, FIRST, Entrant
from bench.peers.figures import Cell, Figure
from bench.peers.supply import Supply
from bench.peers.table import Table
from bench.stack import programs
from bench.stack.programs import Program
from bench.stack.temporary import Stack
from bench.watch.meter import Meter, metering, now_s
from tools.errors import OperatorError
from tools.progress import Step

_LOOK_AGAIN_S = 0.25
# As long as our own stages are given for what is exported after the last row.
SETTLE_S = 0.6
_STALL_LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Field:
    """Where all runs take place."""

    stack: Stack
    connection: asyncpg.Connection[asyncpg.Record]
    supply: Supply
    # The Python of the peers.
    python: Path

    @property
    def servers(self) -> str:
        """Return where Kafka listens."""
        return self.stack.reached.kafka_bootstrap_servers


@dataclass(slots=True)
class Chain:
    """A peer's three stages that are ready to work, and the table that they fill."""

    table: Table
    stages: Sequence[Program]
    meter: Meter

    def check(self) -> None:
        """Raise `OperatorError` if one has ended."""
        for stage in self.stages:
            stage.check()

    async def until_stored(self, events: int, step: Step) -> None:
        """Wait for so many rows. Raises `OperatorError` if no more come."""
        grown_s = time.monotonic()
        while self.table.count < events:
            self.check()
            if await self.table.look():
                grown_s = time.monotonic()
            elif time.monotonic() - grown_s > _STALL_LIMIT_S:
                raise OperatorError(f"Only {self.table.count:,} of {events:,} came out.")
            step.update(f"{self.table.count:,} of {events:,} rows counted")
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def settled(self, since_s: float) -> dict[str, float]:
        """Return the processor seconds since a moment, with what comes after the last row."""
        await asyncio.sleep(SETTLE_S)
        self.meter.sample()
        return self.meter.between(since_s, now_s())


async def measure(
    field: Field, entrant: Entrant, cell: Cell, number: int, *, events: int, step: Step
) -> Figure:
    """Let a peer work off events that are in its first topic."""
    step.update(f"writing {events:,} events")
    values = field.supply.take(events)
    headers = supply.contexts(events, cell.percent) if entrant.is_traced else None
    async with topics(field, entrant, number) as names:
        await feeding.preload(field.servers, names[0], values, headers)
        async with running(field, entrant, names, cell.percent) as chain:
            # Not only since the first rows: who gathers long has done much of its work by then.
            began_s = now_s()
            await chain.until_stored(events, step)
            steady = await chain.table.steady()
            cpu_s = await chain.settled(began_s)
    return Figure(
        cell=cell,
        round=number,
        events=steady.events,
        took_s=steady.took_s,
        cpu_us_per_event={name: 1e6 * s / events for name, s in cpu_s.items()},
    )


@asynccontextmanager
async def topics(field: Field, entrant: Entrant, number: int) -> AsyncGenerator[list[str]]:
    """Make the three topics of a run."""
    # A number makes them new ones: what was removed may take a moment to be gone.
    run = f"{entrant.table}.{number}.{time.monotonic_ns()}"
    names = [f"{run}.{kind}" for kind in ("raw", "normalized", "decorated")]
    async with feeding.topics(field.servers, names):
        yield names


@asynccontextmanager
async def running(
    field: Field, entrant: Entrant, names: Sequence[str], percent: float
) -> AsyncGenerator[Chain]:
    """Run the three stages on the topics, into an empty table."""
    table = Table(field.connection, entrant.table)
    await table.create()
    environ = {
        **entrant.environ(percent),
        "PEER_TOPICS": ",".join(names),
        "PEER_TABLE": table.name,
    }
    async with AsyncExitStack() as kept:
        kept.push_async_callback(table.drop)

        async def start(name: str) -> Program:
            command = (field.python, "-m", entrant.module, name)
            stage = await programs.start(field.stack, name, command, environ)
            kept.push_async_callback(stage.stop)
            return stage

        behind = [await start(name) for name in BEHIND]
        for stage in behind:
            await stage.become_ready()
        # It begins to work as soon as it is ready, so the others are before it.
        first = await start(FIRST)
        stages = [*behind, first]
        pids = {
            "kafka": field.stack.pids["kafka"],
            COLLECTOR: field.stack.pids["jaeger"],
            **{stage.name: stage.pid for stage in stages},
        }
        async with metering(pids) as meter:
            await first.become_ready()
            yield Chain(table, stages, meter)
