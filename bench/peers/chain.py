"""One run of a peer: topics and a table of its own, three processes, and what they took."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.peers import feeding, supply, table as tables
from bench.peers.entrants import BEHIND, FIRST, Entrant
from bench.peers.figures import Cell, Figure
from bench.peers.supply import Supply
from bench.stack import programs
from bench.stack.collectors import COLLECTOR
from bench.stack.programs import Program
from bench.stack.temporary import Stack
from bench.watch.meter import Meter, metering, now_s, us_per_event
from bench.watch.table import Table
from tools.progress import Step


@dataclass(frozen=True, slots=True)
class Field:
    """Where all runs take place."""

    stack: Stack
    # Of our events; peers have one of their own beside it.
    table: Table
    supply: Supply
    # The Python of the peers.
    python: Path

    @property
    def servers(self) -> str:
        """Return where Kafka listens."""
        return self.stack.reached.kafka_bootstrap_servers

    def pids(self, stages: Mapping[str, int]) -> dict[str, int]:
        """Return the processes of some stages, and those that they stand on."""
        under = {"kafka": self.stack.pids["kafka"], COLLECTOR: self.stack.pids["jaeger"]}
        return {**under, **stages}


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
            await chain.table.until(events, chain.check, step.update)
            steady = await tables.steady(chain.table)
            cpu_s = await chain.meter.settled(began_s)
    return Figure(
        cell=cell,
        round=number,
        events=steady.events,
        took_s=steady.took_s,
        cpu_us_per_event=us_per_event(cpu_s, events),
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
    environ = {
        **entrant.environ(percent),
        "PEER_TOPICS": ",".join(names),
        "PEER_TABLE": entrant.table,
    }
    async with AsyncExitStack() as kept:
        made = tables.made(field.table.connection, entrant.table)
        table = await kept.enter_async_context(made)

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
        pids = field.pids({stage.name: stage.pid for stage in stages})
        async with metering(pids) as meter:
            await first.become_ready()
            yield Chain(table, stages, meter)
