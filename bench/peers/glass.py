"""How long an event takes from when it is made until it is stored, at a load all can bear."""

from __future__ import annotations

from collections.abc import Sequence

from bench.load import door, open_loop
from bench.load.door import ACCEPTED
from bench.load.open_loop import Answered, Pace
from bench.peers import chain, feeding, ours, supply, table as tables
from bench.peers.chain import Field
from bench.peers.entrants import Entrant
from bench.peers.figures import Cell, Figure
from bench.watch.meter import metering, now_s, us_per_event
from bench.watch.table import Table
from tools.errors import OperatorError
from tools.progress import Step

# What comes before is of a beginning: connections, caches, a group that has just formed.
WARM_UP_S = 2.0


async def peers(
    field: Field, entrant: Entrant, cell: Cell, number: int, *, pace: Pace, step: Step
) -> Figure:
    """Write events into a peer's first topic, one at a time."""
    _prepare(field, pace)
    contexts = supply.contexts(pace.requests, cell.percent)
    async with (
        chain.topics(field, entrant, number) as names,
        feeding.producing(field.servers) as producer,
        chain.running(field, entrant, names, cell.percent) as running,
    ):
        step.update(f"{pace.requests_per_s:g} events/s")
        began_s = now_s()
        async for event, due_us in open_loop.beats(pace):
            headers = list(contexts[event]) if entrant.is_traced else []
            value = field.supply.made(event, due_us / 1e6)
            await producer.send(names[0], value, headers=headers)
        await running.table.until(pace.requests, running.check, step.update)
        cpu_s = await running.meter.settled(began_s)
        return await _figure(
            running.table, cell, number, began_s, us_per_event(cpu_s, pace.requests)
        )


async def through_the_door(
    field: Field, cell: Cell, number: int, *, pace: Pace, step: Step
) -> Figure:
    """Send us events, one a request."""
    _prepare(field, pace)
    answers: list[Answered] = []

    def body(event: int, due_us: int) -> bytes:
        return b"[" + field.supply.made(event, due_us / 1e6) + b"]"

    async with ours.running(field, cell.percent) as working:
        async with metering(field.pids(working.pids)) as meter:
            step.update(f"{pace.requests_per_s:g} requests/s")
            began_s = now_s()
            with door.client(field.stack.reached) as client:
                await open_loop.offer(client, body, pace, answers.append)
            _check(answers)
            await field.table.until(pace.requests, working.check, step.update)
            # What is exported late counts for us as it does for them.
            cpu_s = await meter.settled(began_s)
            return await _figure(
                field.table, cell, number, began_s, us_per_event(cpu_s, pace.requests)
            )


def _prepare(field: Field, pace: Pace) -> None:
    """Have all events ready: while they are made, none would leave when it is due."""
    field.supply.take(pace.requests)


def _check(answers: Sequence[Answered]) -> None:
    """Raise `OperatorError` if an event was not taken: what is refused is not timed."""
    refused = [one.status for one in answers if one.status != ACCEPTED]
    if refused:
        raise OperatorError(
            f"The door did not take {len(refused):,} of {len(answers):,} requests (status "
            f"{', '.join(map(str, sorted(set(refused))))}); choose a lower --rate."
        )


async def _figure(
    table: Table, cell: Cell, number: int, began_s: float, cpu_us_per_event: dict[str, float]
) -> Figure:
    steady = await tables.steady(table)
    latency = await tables.latency(table, began_s + WARM_UP_S)
    return Figure(
        cell=cell,
        round=number,
        events=steady.events,
        took_s=steady.took_s,
        cpu_us_per_event=cpu_us_per_event,
        p50_ms=latency.p50_ms,
        p99_ms=latency.p99_ms,
    )
