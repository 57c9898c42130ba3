"""`bench soak`: memory, open files and processor time of the stages over time, at a steady load."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from bench.load import bodies, door, open_loop, peak
from bench.load.door import ACCEPTED
from bench.load.open_loop import Answered
from bench.load.rig import Rig
from bench.load.warming import warm_up
from bench.report.target import Target
from bench.soak.steady import Look, Told, account, growing, lines
from bench.stack import fleet, temporary
from bench.stack.stages import FEW_SAMPLED
from bench.stack.temporary import Stack, on_a_stack
from bench.watch import arrivals, machine, table as tables, usage
from bench.watch.machine import Machine
from bench.watch.table import Table
from tools.errors import OperatorError
from tools.progress import Step

_SAMPLE_MAX_S = 10.0
# At least, over the whole time.
_SAMPLES = 40
_PEAK_S = 8.0
# Rows are removed past this, so that the disk holds it however long it lasts.
_TABLE_BYTES_MAX = 2 << 30
# What three topics take for an event, rounded up; Kafka keeps them for a day.
_LOG_BYTES_PER_EVENT = 400
# A connection of PostgreSQL tells what it has inserted at the latest when it was idle for 10 s
# (its PGSTAT_IDLE_INTERVAL); when the number has stood still for longer, nothing is untold.
_TOLD_AFTER_S = 11.0
_ASK_AGAIN_S = 1.0


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How long it lasts, and what is offered.

    Parameters
    ----------
    minutes
        How long the load lasts.
    share
        Percent of the peak that is offered.
    batch
        Events a request.
    events
        Events of a run of the warm-up, and of the requests that are written.
    peak
        Events a second that count as the peak; without it, the peak is looked for.
    """

    minutes: Annotated[float, Parameter(validator=Number(gte=0.5, lte=1_440))] = 30.0
    share: Annotated[int, Parameter(validator=Number(gte=1, lte=100))] = 80
    batch: Annotated[int, Parameter(validator=Number(gte=1, lte=1_000))] = 100
    events: Annotated[int, Parameter(validator=Number(gte=1_000, lte=1_000_000))] = 200_000
    peak: Annotated[float | None, Parameter(validator=Number(gt=0))] = None


def soak(options: Options | None = None, *, target: Target | None = None) -> None:
    """Measure whether anything grows at a steady load, on a stack that is removed afterwards.

    Fails if memory or files of a stage grow, or an accepted event is not stored.
    """
    wished, told_to = options or Options(), target or Target()
    told_to.check("soak")
    check_disk(wished, wished.peak or 0)
    before = machine.look()
    told = on_a_stack(lambda stack: _measure(stack, wished, before))
    told_to.publish(account(told))
    if told.stored < told.accepted:
        raise OperatorError(f"{told.accepted - told.stored:,} accepted events are not stored.")
    if grown := growing(told):
        raise OperatorError(f"It grows: {', '.join(grown)}.")


async def _measure(stack: Stack, options: Options, before: Machine) -> Told:
    async with tables.opened(stack.reached.database_url) as table:
        await warm_up(stack, table, options.events)
        async with fleet.running(stack, FEW_SAMPLED) as working:
            written = bodies.endless(options.events, options.batch)
            rig = Rig(stack, table, working, written, options.batch)
            peak_per_s = options.peak or await peak.find(rig, options.events, _PEAK_S)
            check_disk(options, peak_per_s)
            offered_per_s = peak_per_s * options.share / 100
            await table.clear()
            before_rows = await _inserted(table, math.inf)
            looks, answers = await _soaked(rig, options, offered_per_s)
            accepted = answers[ACCEPTED] * options.batch
            stored = await _inserted(table, before_rows + accepted) - before_rows
        postgres = await table.version()
    return Told(
        machine=before.having("PostgreSQL", postgres),
        minutes=options.minutes,
        batch=options.batch,
        share=options.share,
        offered_per_s=offered_per_s,
        accepted=accepted,
        stored=stored,
        refused=answers.total() - answers[ACCEPTED],
        lines=lines(looks),
    )


async def _soaked(
    rig: Rig, options: Options, offered_per_s: float
) -> tuple[list[Look], Counter[int]]:
    """Keep up the load, and look at the stages now and then."""
    seconds = options.minutes * 60
    answers: Counter[int] = Counter()

    def note(answered: Answered) -> None:
        answers[answered.status] += 1

    def look() -> Look:
        seen = usage.look(rig.stack, rig.fleet.replicas)
        return Look(seen, answers[ACCEPTED] * rig.batch)

    looks = [look()]
    title = f"{offered_per_s:,.0f} events/s for {options.minutes:g} minutes"
    with Step(title) as step, door.client(rig.stack.reached) as client:
        pace = rig.pace(offered_per_s, seconds)
        sending = asyncio.create_task(open_loop.offer(client, rig.body, pace, note))
        try:
            while not sending.done():
                await asyncio.wait([sending], timeout=min(_SAMPLE_MAX_S, seconds / _SAMPLES))
                looks.append(look())
                step.update(f"{looks[-1].accepted:,} events accepted")
                await _keep_small(rig.table)
            await sending
        finally:
            sending.cancel()
    # The last is of what was left of the time.
    return looks[:-1], answers


async def _keep_small(table: Table) -> None:
    if (await arrivals.sizes(table)).table_bytes > _TABLE_BYTES_MAX:
        await arrivals.shed(table)


async def _inserted(table: Table, wanted: float) -> int:
    """Wait until so many rows were ever inserted, or it is sure that they are fewer."""
    rows, grown_s = 0, time.monotonic()
    while time.monotonic() - grown_s < _TOLD_AFTER_S:
        if (now := await arrivals.inserted(table)) >= wanted:
            return now
        if now != rows:
            rows, grown_s = now, time.monotonic()
        await asyncio.sleep(_ASK_AGAIN_S)
    return rows


def check_disk(options: Options, peak_per_s: float) -> None:
    """Raise `OperatorError` if the disk may not hold what a soak takes at such a peak."""
    events = round(peak_per_s * options.share / 100 * options.minutes * 60)
    needed_bytes = events * _LOG_BYTES_PER_EVENT + _TABLE_BYTES_MAX
    temporary.check_disk(events, needed_bytes, "choose fewer MINUTES")
