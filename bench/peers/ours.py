"""One run of ours: the door, and then the stages from the first topic; or all of them at once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from bench.comparison import scenarios
from bench.comparison.results import Measured
from bench.comparison.scenarios import UNCAPPED, Bench, Variant
from bench.peers.chain import Field
from bench.peers.entrants import OURS
from bench.peers.figures import Cell, Figure
from bench.peers.table import Table
from bench.stack import collectors, stages
from bench.stack.stages import Stage
from services.topology import DECORATE, INGEST, NORMALIZE, SINK
from tools.progress import Step

TABLE = "event"
# The last first: what leaves a stage finds the next one waiting.
_STAGES = (SINK.stage, DECORATE.stage, NORMALIZE.stage, INGEST.stage)


async def apart(field: Field, bench: Bench, cell: Cell, number: int, step: Step) -> list[Figure]:
    """Measure the door alone, and then the stages that work off what it wrote."""
    door, chain = await scenarios.apart(bench, _variant(cell.percent), step)
    at_the_door = cell._replace(part="door")
    return [
        _figure(at_the_door, number, door, door.events, door.took_s),
        await _stored(field, cell, number, chain),
    ]


async def together(field: Field, bench: Bench, cell: Cell, number: int, step: Step) -> Figure:
    """Measure the door and the stages while all of them work."""
    (whole,) = await scenarios.together(bench, _variant(cell.percent), step)
    return await _stored(field, cell, number, whole)


@asynccontextmanager
async def running(bench: Bench, percent: float) -> AsyncGenerator[Sequence[Stage]]:
    """Run the door and all stages, into an empty table."""
    await bench.rows.clear()
    variant = _variant(percent)
    async with AsyncExitStack() as kept:
        replicas: list[Stage] = []
        for name in _STAGES:
            environ = {**bench.environ, **variant.environ}
            replicas.append(await stages.start(bench.stack, name, environ))
            kept.push_async_callback(replicas[-1].kill)
        yield replicas
        await stages.stop(replicas)


def cell(part: str, batch: int, percent: float) -> Cell:
    """Name what is measured of us."""
    return Cell(part, OURS, batch, percent)


def _variant(percent: float) -> Variant:
    environ = {**UNCAPPED, "OTEL_TRACES_SAMPLER_ARG": str(percent / 100)}
    return Variant(environ, collectors.jaeger)


async def _stored(field: Field, cell: Cell, number: int, measured: Measured) -> Figure:
    """Take the rows after the first transaction, as with the peers."""
    steady = await Table(field.connection, TABLE).steady()
    return _figure(cell, number, measured, steady.events, steady.took_s)


def _figure(cell: Cell, number: int, measured: Measured, events: int, took_s: float) -> Figure:
    return Figure(
        cell=cell,
        round=number,
        events=events,
        took_s=took_s,
        cpu_us_per_event=measured.cpu_us_per_event,
    )
