"""`bench soak`: memory, open files and processor time of the stages over time, at a steady load."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import uvloop
from cyclopts import Parameter
from cyclopts.validators import Number

from bench.load import bodies, open_loop as offering, rig as rigs
from bench.load.open_loop import ACCEPTED, Answered
from bench.load.rig import Rig
from bench.report import sheets
from bench.soak.steady import Look, Told, account, growing, lines
from bench.stack import fleet, temporary as stack
from bench.stack.temporary import Stack
from bench.watch import arrivals, machine
from bench.watch.arrivals import Arrivals
from bench.watch.machine import Machine
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
_SPARE_BYTES = 4 << 30
# PostgreSQL tells what a connection has done when that was idle for so long, at the latest.
_TOLD_AFTER_S = 11.0


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How long it lasts, and where the results go.

    Parameters
    ----------
    minutes
        How long the load lasts.
    share
        Percent of the peak that is offered.
    batch
        Events a request.
    events
        Events of a warm-up, and of the requests that are written.
    peak
        Events a second that count as the peak; without it, the peak is looked for.
    json
        A file for all that was measured.
    write
        A document to put the tables into, for example docs/benchmarks.md.
    """

    minutes: Annotated[float, Parameter(validator=Number(gte=0.5, lte=1_440))] = 30.0
    share: Annotated[int, Parameter(validator=Number(gte=1, lte=100))] = 80
    batch: Annotated[int, Parameter(validator=Number(gte=1, lte=1_000))] = 100
    events: Annotated[int, Parameter(validator=Number(gte=1_000, lte=1_000_000))] = 200_000
    peak: Annotated[float | None, Parameter(validator=Number(gt=0))] = None
    json: Path | None = None
    write: Path | None = None


def soak(options: Options | None = None) -> None:
    """Measure whether anything grows at a steady load, on a stack that is removed afterwards.

    Fails if memory or files of a stage grow, or an accepted event is not stored.
    """
    wished = options or Options()
    before = machine.look()
    with stack.running() as running:
        told = uvloop.run(_measure(running, wished, before))
    sheets.publish(account(told), wished.json, wished.write)
    if told.stored < told.accepted:
        raise OperatorError(f"{told.accepted - told.stored:,} accepted events are not stored.")
    if grown := growing(told):
        raise OperatorError(f"It grows: {', '.join(grown)}.")


async def _measure(running: Stack, options: Options, before: Machine) -> Told:
    with Step(f"Writing {options.events:,} events"):
        written = bodies.endless(options.events, options.batch)
    async with (
        arrivals.opened(running.reached.database_url) as table,
        fleet.running(running, rigs.SAMPLED) as replicas,
    ):
        rig = Rig(running, table, written, options.batch, replicas)
        peak = options.peak or await rigs.find_peak(rig, options.events, _PEAK_S)
        offered_per_s = peak * options.share / 100
        check_disk(running.settings.data, round(offered_per_s * options.minutes * 60))
        await table.clear()
        before_rows = await _inserted(table)
        looks, answers = await _soaked(rig, options, offered_per_s)
        stored = await _inserted(table) - before_rows
        version = await table.version()
    return Told(
        machine=before.having("PostgreSQL", version),
        minutes=options.minutes,
        batch=options.batch,
        share=options.share,
        offered_per_s=offered_per_s,
        accepted=answers[ACCEPTED] * options.batch,
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
        return Look(fleet.look(rig.stack, rig.replicas), answers[ACCEPTED] * rig.batch)

    client = rig.client
    looks = [look()]
    with Step(f"{offered_per_s:,.0f} events/s for {options.minutes:g} minutes") as step:
        pace = rig.per_s(offered_per_s, seconds)
        sending = asyncio.create_task(offering.offer(client, rig.bodies, pace, note))
        try:
            while not sending.done():
                await asyncio.wait([sending], timeout=min(_SAMPLE_MAX_S, seconds / _SAMPLES))
                looks.append(look())
                step.update(f"{looks[-1].accepted:,} events accepted")
                await _keep_small(rig)
            await sending
        finally:
            sending.cancel()
            client.close()
    # The last is of what was left of the time.
    return looks[:-1], answers


async def _keep_small(rig: Rig) -> None:
    for replica in rig.replicas:
        replica.check()
    if (await rig.table.sizes()).table_bytes > _TABLE_BYTES_MAX:
        await rig.table.shed()


async def _inserted(table: Arrivals) -> int:
    await asyncio.sleep(_TOLD_AFTER_S)
    return await table.inserted()


def check_disk(folder: Path, events: int) -> None:
    """Raise `OperatorError` if the disk may not hold what so many events take."""
    needed = events * _LOG_BYTES_PER_EVENT + _TABLE_BYTES_MAX + _SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OperatorError(
            f"{events:,} events may take {needed >> 30} GiB in {folder}, where {free >> 30} are "
            "free; choose fewer MINUTES, or set TMPDIR to a folder on a larger disk."
        )
