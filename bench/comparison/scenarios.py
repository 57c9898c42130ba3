"""What is measured of one variant: the door alone, the stages alone, and all of them at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from bench.comparison.results import Measured
from bench.load import closed_loop as loads
from bench.load.closed_loop import Load
from bench.stack import stages
from bench.stack.collectors import Collecting, Collector
from bench.stack.stages import Stage
from bench.stack.temporary import Stack
from bench.watch.meter import Meter, metering, now_s
from bench.watch.rows import Rows, Window
from services.topology import DECORATE, INGEST, NORMALIZE, SINK
from tools.errors import OperatorError
from tools.progress import Step

# The last first: a record that leaves a stage finds the next one waiting.
_BEHIND_THE_DOOR = (SINK.stage, DECORATE.stage, NORMALIZE.stage)
_CONNECTIONS = 16
_LOOK_AGAIN_S = 0.5
# Longer than the 0.5 s between two exports: what is exported after the last row counts too.
_SETTLE_S = 0.6
_STALL_LIMIT_S = 60.0
# No cap, and nothing rebuilt afterwards: in a backlog every request is a slow one.
UNCAPPED = {"TRACE_PER_SECOND_MAX": "1e9", "TRACE_RETRO_SLOW_S": "0"}


@dataclass(frozen=True, slots=True)
class Variant:
    """The variables of the stages, and what collects their spans."""

    environ: Mapping[str, str]
    collecting: Collecting


@dataclass(frozen=True, slots=True)
class Bench:
    """What all runs have: a stack, its table, what to send, and variables of the stages."""

    stack: Stack
    rows: Rows
    load: Load
    environ: Mapping[str, str]


async def apart(bench: Bench, variant: Variant, step: Step) -> list[Measured]:
    """Measure the door alone, and then the stages that work off what it wrote."""

    async def take_in(_replicas: Sequence[Stage]) -> Window:
        return await _send(bench, step)

    async def work_off(replicas: Sequence[Stage]) -> Window:
        return await _stored(bench, replicas, step)

    await bench.rows.clear()
    door = await _measured("door", bench, variant, (INGEST.stage,), take_in)
    return [door, await _measured("stages", bench, variant, _BEHIND_THE_DOOR, work_off)]


async def together(bench: Bench, variant: Variant, step: Step) -> list[Measured]:
    """Measure the door and the stages while all of them work."""

    async def take_in_and_work_off(replicas: Sequence[Stage]) -> Window:
        await _send(bench, step)
        return await _stored(bench, replicas, step)

    await bench.rows.clear()
    names = (*_BEHIND_THE_DOOR, INGEST.stage)
    return [await _measured("pipeline", bench, variant, names, take_in_and_work_off)]


async def _measured(
    part: str,
    bench: Bench,
    variant: Variant,
    names: Sequence[str],
    work: Callable[[Sequence[Stage]], Awaitable[Window]],
) -> Measured:
    """Start stages, let them work and stop them; the window is of the work alone."""
    async with variant.collecting(bench.stack) as collector:
        environ = {**bench.environ, **variant.environ, **collector.environ}
        async with _running(bench.stack, names, environ) as replicas:
            async with metering(_pids(bench.stack, collector, replicas)) as meter:
                began_s = now_s()
                window = await work(replicas)
                cpu_s = await _settled(meter, began_s)
            endings = await stages.stop(replicas)
    return Measured(
        part=part,
        events=bench.load.events,
        took_s=window.last_s - window.first_s,
        cpu_us_per_event={name: 1e6 * s / bench.load.events for name, s in cpu_s.items()},
        endings=endings,
        spans_taken=collector.spans_taken,
    )


@asynccontextmanager
async def _running(
    stack: Stack, names: Sequence[str], environ: Mapping[str, str]
) -> AsyncGenerator[list[Stage]]:
    """Yield stages that are ready; after an error they are killed."""
    async with AsyncExitStack() as kept:
        replicas: list[Stage] = []
        for name in names:
            replicas.append(await stages.start(stack, name, environ))
            kept.push_async_callback(replicas[-1].kill)
        yield replicas


def _pids(stack: Stack, collector: Collector, replicas: Sequence[Stage]) -> dict[str, int]:
    kafka = {"kafka": stack.pids["kafka"]}
    return {**kafka, **collector.pids, **{replica.name: replica.pid for replica in replicas}}


async def _send(bench: Bench, step: Step) -> Window:
    """Send everything; return from when to when that took."""
    reached = bench.stack.reached

    def show(events: int) -> None:
        step.update(f"{events:,} of {bench.load.events:,} events accepted")

    await loads.until_open(reached.ingest_url)
    began_s = now_s()
    await loads.send(bench.load, reached.ingest_url, reached.api_key, _CONNECTIONS, show)
    return Window(began_s, now_s())


async def _stored(bench: Bench, replicas: Sequence[Stage], step: Step) -> Window:
    """Wait for the last row; return from when to when they were stored."""
    grown_s = time.monotonic()
    while bench.rows.count < bench.load.events:
        for replica in replicas:
            replica.check()
        if await bench.rows.look():
            grown_s = time.monotonic()
        elif time.monotonic() - grown_s > _STALL_LIMIT_S:
            raise OperatorError(f"Only {bench.rows.count:,} of {bench.load.events:,} came out.")
        step.update(f"{bench.rows.size_bytes >> 20} MiB of rows stored")
        await asyncio.sleep(_LOOK_AGAIN_S)
    return await bench.rows.window()


async def _settled(meter: Meter, began_s: float) -> dict[str, float]:
    """Return the processor seconds from when all were ready until after the end."""
    await asyncio.sleep(_SETTLE_S)
    meter.sample()
    return meter.between(began_s, now_s())
