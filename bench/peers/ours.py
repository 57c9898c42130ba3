"""One run of ours: the door, and then the stages from the first topic; or all of them at once."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from bench.comparison import scenarios
from bench.comparison.results import Measured
from bench.comparison.scenarios import Bench, Variant
from bench.peers import table as tables
from bench.peers.chain import Field
from bench.peers.entrants import OURS
from bench.peers.figures import Cell, Figure
from bench.stack import collectors, fleet, stages
from bench.stack.fleet import Fleet
from tools.progress import Step


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
async def running(field: Field, percent: float) -> AsyncGenerator[Fleet]:
    """Run the door and all stages, into an empty table."""
    await field.table.clear()
    async with fleet.started(field.stack, _variant(percent).environ) as working:
        yield working
        await working.drain()


def cell(part: str, batch: int, percent: float) -> Cell:
    """Name what is measured of us."""
    return Cell(part, OURS, batch, percent)


def _variant(percent: float) -> Variant:
    return Variant(stages.sampled(percent / 100), collectors.jaeger)


async def _stored(field: Field, cell: Cell, number: int, measured: Measured) -> Figure:
    """Take the rows after the first transaction, as with the peers."""
    steady = await tables.steady(field.table)
    return _figure(cell, number, measured, steady.events, steady.took_s)


def _figure(cell: Cell, number: int, measured: Measured, events: int, took_s: float) -> Figure:
    return Figure(
        cell=cell,
        round=number,
        events=events,
        took_s=took_s,
        cpu_us_per_event=measured.cpu_us_per_event,
    )
