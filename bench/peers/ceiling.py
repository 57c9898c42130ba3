"""The limits, on the same broker and database: what no chain of this kind can be above."""

from __future__ import annotations

import sys
import time

import msgspec

from bench.peers import feeding, table as tables
from bench.peers.chain import Field
from bench.peers.figures import Cell, Figure
from bench.peers.programs.limits import Done, Task
from bench.stack import programs
from bench.watch.meter import us_per_event
from tools.progress import Step

_RECORD_EVENTS = 100
_LIMIT_S = 120.0
_TABLE = "peer_copy"

HOP = Cell("limit", "one hop that only carries", _RECORD_EVENTS, 0)
COPY = Cell("limit", "COPY alone", 0, 0)


async def hop(field: Field, number: int, events: int, step: Step) -> Figure:
    """Carry ready-made batches from one topic to the next."""
    run = f"limit.{number}.{time.monotonic_ns()}"
    given = Task(
        events=events // _RECORD_EVENTS * _RECORD_EVENTS,
        record_events=_RECORD_EVENTS,
        reads=f"{run}.raw",
        writes=f"{run}.normalized",
    )
    values = field.supply.take(events)
    batches = [
        b"[" + b",".join(values[start : start + _RECORD_EVENTS]) + b"]"
        for start in range(0, given.events, _RECORD_EVENTS)
    ]
    async with feeding.topics(field.servers, [given.reads, given.writes]):
        await feeding.preload(field.servers, given.reads, batches, None)
        return await _found(field, HOP, number, given, step)


async def copy(field: Field, number: int, events: int, step: Step) -> Figure:
    """Copy rows that are ready, into a table like the peers'."""
    async with tables.made(field.table.connection, _TABLE):
        given = Task(events=events, record_events=1, table=_TABLE)
        return await _found(field, COPY, number, given, step)


async def _found(field: Field, cell: Cell, number: int, given: Task, step: Step) -> Figure:
    kind = "hop" if cell is HOP else "copy"
    step.update(f"{given.events:,} events")
    command = (sys.executable, "-m", "bench.peers.programs.limits", kind,
               msgspec.json.encode(given).decode())  # fmt: skip
    program = await programs.start(field.stack, kind, command, {})
    try:
        done = msgspec.json.decode(await program.result(_LIMIT_S), type=Done)
    finally:
        await program.stop()
    return Figure(
        cell=cell,
        round=number,
        events=done.events,
        took_s=done.took_s,
        cpu_us_per_event=us_per_event({"program": done.cpu_s}, done.events),
    )
