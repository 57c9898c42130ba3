"""What is measured of one variant: the door alone, the stages alone, and all of them at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.comparison.results import Measured
from bench.load import closed_loop, door
from bench.load.closed_loop import Load
from bench.stack import fleet
from bench.stack.collectors import Collecting, Collector
from bench.stack.fleet import LAST_FIRST, Fleet, Wave
from bench.stack.temporary import Stack
from bench.watch.meter import metering, now_s, us_per_event
from bench.watch.table import Table, Window
from services.topology import INGEST
from tools.progress import Step

_DOOR: Sequence[Wave] = ((INGEST.stage,),)
_BEHIND_THE_DOOR = tuple(wave for wave in LAST_FIRST if wave not in _DOOR)


@dataclass(frozen=True, slots=True)
class Variant:
    """The variables of the stages, and what collects their spans."""

    environ: Mapping[str, str]
    collecting: Collecting


@dataclass(frozen=True, slots=True)
class Bench:
    """What all runs have: a stack, its table, what to send, and variables of the stages."""

    stack: Stack
    table: Table
    load: Load
    environ: Mapping[str, str]


async def apart(bench: Bench, variant: Variant, step: Step) -> list[Measured]:
    """Measure the door alone, and then the stages that work off what it wrote."""

    async def take_in(_working: Fleet) -> Window:
        return await _send(bench, step)

    async def work_off(working: Fleet) -> Window:
        return await _stored(bench, working, step)

    await bench.table.clear()
    taken_in = await _measured("door", bench, variant, _DOOR, take_in)
    return [taken_in, await _measured("stages", bench, variant, _BEHIND_THE_DOOR, work_off)]


async def together(bench: Bench, variant: Variant, step: Step) -> list[Measured]:
    """Measure the door and the stages while all of them work."""

    async def take_in_and_work_off(working: Fleet) -> Window:
        await _send(bench, step)
        return await _stored(bench, working, step)

    await bench.table.clear()
    return [await _measured("pipeline", bench, variant, LAST_FIRST, take_in_and_work_off)]


async def _measured(
    part: str,
    bench: Bench,
    variant: Variant,
    waves: Sequence[Wave],
    work: Callable[[Fleet], Awaitable[Window]],
) -> Measured:
    """Start stages, let them work and stop them; the window is of the work alone."""
    async with variant.collecting(bench.stack) as collector:
        environ = {**bench.environ, **variant.environ, **collector.environ}
        async with fleet.started(bench.stack, environ, waves) as working:
            async with metering(_pids(bench.stack, collector, working)) as meter:
                began_s = now_s()
                window = await work(working)
                cpu_s = await meter.settled(began_s)
            endings = await working.drain()
    return Measured(
        part=part,
        events=bench.load.events,
        took_s=window.took_s,
        cpu_us_per_event=us_per_event(cpu_s, bench.load.events),
        endings=endings,
        spans_taken=collector.spans_taken,
    )


def _pids(stack: Stack, collector: Collector, working: Fleet) -> dict[str, int]:
    return {"kafka": stack.pids["kafka"], **collector.pids, **working.pids}


async def _send(bench: Bench, step: Step) -> Window:
    """Send everything; return from when to when that took."""
    with door.client(bench.stack.reached) as client:
        began_s = now_s()
        await closed_loop.send(bench.load, client, step.update)
        return Window(began_s, now_s())


async def _stored(bench: Bench, working: Fleet, step: Step) -> Window:
    """Wait for the last row; return from when to when they were stored."""
    await bench.table.until(bench.load.events, working.check, step.update)
    return await bench.table.window()
