"""What is measured of one variant: the door alone, the stages alone, and all of them at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from bench import load as loads, stages
from bench.load import Load
from bench.meter import Meter, metering, now_s
from bench.results import Measured
from bench.rows import Rows, Window
from bench.stack import Stack
from bench.stages import Stage
from services.topology import DECORATE, INGEST, NORMALIZE, SINK
from tools.errors import OperatorError
from tools.progress import Step

# The last first: a record that leaves a stage finds the next one waiting.
_BEHIND_THE_DOOR = (SINK.stage, DECORATE.stage, NORMALIZE.stage)
_BESIDE_THEM = ("kafka", "jaeger")
_CONNECTIONS = 16
_LOOK_AGAIN_S = 0.5
# Longer than the 0.5 s between two exports: what is exported after the last row counts too.
_SETTLE_S = 0.6
_STALL_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Bench:
    """What a run needs: a stack, its table, and what to send."""

    stack: Stack
    rows: Rows
    load: Load


async def apart(bench: Bench, environ: Mapping[str, str], step: Step) -> list[Measured]:
    """Measure the door alone, and then the stages that work off what it wrote."""
    await bench.rows.clear()
    async with _running(bench, environ, INGEST.stage) as (replicas, meter):
        window = await _send(bench, step)
        cpu_s = await _settled(meter, window)
    door = _measured("door", bench, window, cpu_s, replicas)

    async with _running(bench, environ, *_BEHIND_THE_DOOR) as (replicas, meter):
        window = await _stored(bench, replicas, step)
        cpu_s = await _settled(meter, window)
    return [door, _measured("stages", bench, window, cpu_s, replicas)]


async def together(bench: Bench, environ: Mapping[str, str], step: Step) -> list[Measured]:
    """Measure the door and the stages while all of them work."""
    await bench.rows.clear()
    async with _running(bench, environ, *_BEHIND_THE_DOOR, INGEST.stage) as (replicas, meter):
        await _send(bench, step)
        window = await _stored(bench, replicas, step)
        cpu_s = await _settled(meter, window)
    return [_measured("pipeline", bench, window, cpu_s, replicas)]


@asynccontextmanager
async def _running(
    bench: Bench, environ: Mapping[str, str], *names: str
) -> AsyncGenerator[tuple[list[Stage], Meter]]:
    async with AsyncExitStack() as running:
        replicas = [
            await running.enter_async_context(stages.running(bench.stack, name, environ))
            for name in names
        ]
        pids = {name: bench.stack.pids[name] for name in _BESIDE_THEM}
        pids |= {replica.name: replica.pid for replica in replicas}
        yield replicas, await running.enter_async_context(metering(pids))


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


async def _settled(meter: Meter, window: Window) -> dict[str, float]:
    """Return the processor seconds since the beginning, and what comes after the end."""
    await asyncio.sleep(_SETTLE_S)
    meter.sample()
    return meter.between(window.first_s, now_s())


def _measured(
    part: str, bench: Bench, window: Window, cpu_s: Mapping[str, float], ended: Sequence[Stage]
) -> Measured:
    spans = stages.total(ended)
    return Measured(
        part=part,
        events=bench.load.events,
        took_s=window.last_s - window.first_s,
        cpu_us_per_event={name: 1e6 * s / bench.load.events for name, s in cpu_s.items()},
        spans_exported=spans.exported,
        spans_lost=spans.lost,
    )
