"""How long an event takes from when it is made until it is stored, at a load all can bear."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from bench.comparison.results import COLLECTOR
from bench.comparison.scenarios import Bench
from bench.load import closed_loop as loads
from bench.peers import chain, feeding, ours, supply
from bench.peers.chain import Field
from bench.peers.entrants import Entrant
from bench.peers.figures import Cell, Figure
from bench.peers.table import Table
from bench.watch.meter import metering, now_s
from tools.errors import OperatorError
from tools.load.client import Client
from tools.progress import Step

_ANSWER_TIMEOUT_S = 10.0
_STALL_LIMIT_S = 30.0
_LOOK_AGAIN_S = 0.25

# Takes the number of an event, and when it is due (s since the epoch).
Send = Callable[[int, float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Pace:
    """An open loop: events are made when they are due, whatever becomes of those before."""

    events_per_s: float
    measured_s: float
    # What comes before is of a beginning: connections, caches, a group that has just formed.
    warm_up_s: float = 2.0

    @property
    def events(self) -> int:
        """How many events there are."""
        return round(self.events_per_s * (self.warm_up_s + self.measured_s))

    async def keep(self, send: Send) -> float:
        """Send them all; return from when on it counts (s since the epoch)."""
        began_s, epoch_s = time.monotonic(), now_s()
        for number in range(self.events):
            due_s = number / self.events_per_s
            await asyncio.sleep(began_s + due_s - time.monotonic())
            await send(number, epoch_s + due_s)
        return epoch_s + self.warm_up_s


async def peers(
    field: Field, entrant: Entrant, cell: Cell, number: int, *, pace: Pace, step: Step
) -> Figure:
    """Write events into a peer's first topic, one at a time."""
    _prepare(field, pace)
    contexts = supply.contexts(pace.events, cell.percent)
    async with (
        chain.topics(field, entrant, number) as names,
        feeding.producing(field.servers) as producer,
        chain.running(field, entrant, names, cell.percent) as running,
    ):

        async def send(event: int, due_s: float) -> None:
            headers = list(contexts[event]) if entrant.is_traced else []
            value = field.supply.made(event, due_s)
            await producer.send(names[0], value, headers=headers)

        step.update(f"{pace.events_per_s:g} events/s")
        began_s = now_s()
        since_s = await pace.keep(send)
        await running.until_stored(pace.events, step)
        cpu_s = await running.settled(began_s)
        return await _figure(running.table, cell, number, since_s, _per_event(cpu_s, pace))


async def through_the_door(
    field: Field, bench: Bench, cell: Cell, number: int, *, pace: Pace, step: Step
) -> Figure:
    """Send us events, one a request."""
    _prepare(field, pace)
    reached = field.stack.reached
    table = Table(field.connection, ours.TABLE)
    headers = {"Api-Key": reached.api_key, "Content-Type": "application/json"}
    client = Client(reached.ingest_url, "/v1/events", headers)
    posted: list[asyncio.Task[None]] = []

    async def post(body: bytes) -> None:
        answer = await client.post(body, _ANSWER_TIMEOUT_S)
        if answer.status != 202:
            raise OperatorError(f"The door answered {answer.status}.")

    async def send(event: int, due_s: float) -> None:
        body = b"[" + field.supply.made(event, due_s) + b"]"
        posted.append(asyncio.create_task(post(body)))

    async with ours.running(bench, cell.percent) as replicas:
        await loads.until_open(reached.ingest_url)
        pids = {
            "kafka": field.stack.pids["kafka"],
            COLLECTOR: field.stack.pids["jaeger"],
            **{replica.name: replica.pid for replica in replicas},
        }
        async with metering(pids) as meter:
            step.update(f"{pace.events_per_s:g} requests/s")
            began_s = now_s()
            since_s = await pace.keep(send)
            await asyncio.gather(*posted)
            client.close()
            await _until_stored(table, pace.events)
            # What is exported late counts for us as it does for them.
            await asyncio.sleep(chain.SETTLE_S)
            meter.sample()
            cpu_s = meter.between(began_s, now_s())
            return await _figure(table, cell, number, since_s, _per_event(cpu_s, pace))


def _prepare(field: Field, pace: Pace) -> None:
    """Have all events ready: while they are made, none would leave when it is due."""
    field.supply.take(pace.events)


async def _until_stored(table: Table, events: int) -> None:
    deadline = time.monotonic() + _STALL_LIMIT_S
    while table.count < events:
        await table.look()
        if time.monotonic() > deadline:
            raise OperatorError(f"Only {table.count:,} of {events:,} came out.")
        await asyncio.sleep(_LOOK_AGAIN_S)


def _per_event(cpu_s: Mapping[str, float], pace: Pace) -> dict[str, float]:
    return {name: 1e6 * s / pace.events for name, s in cpu_s.items()}


async def _figure(
    table: Table, cell: Cell, number: int, since_s: float, cpu_us_per_event: dict[str, float]
) -> Figure:
    steady, latency = await table.steady(), await table.latency(since_s)
    return Figure(
        cell=cell,
        round=number,
        events=steady.events,
        took_s=steady.took_s,
        cpu_us_per_event=cpu_us_per_event,
        p50_ms=latency.p50_ms,
        p99_ms=latency.p99_ms,
    )
