"""`bench latency`: the time to glass against offered load, up to and past saturation."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import uvloop
from cyclopts import Parameter
from cyclopts.validators import Number

from bench.latency import curve, points
from bench.latency.curve import Curve, Told
from bench.latency.points import Aim, Point
from bench.load import bodies, rig as rigs
from bench.load.rig import Rig
from bench.report import sheets
from bench.stack import fleet, temporary as stack
from bench.stack.temporary import Stack
from bench.watch import arrivals, machine
from tools.errors import OperatorError
from tools.progress import Step

_SHARES = (5, 10, 20, 40, 60, 80, 95, 110, 150)


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is offered, for how long, and where the results go.

    Parameters
    ----------
    batch
        Events a request; for more than one, each has a curve of its own.
    share
        Percent of the peak that is offered.
    events
        Events of a warm-up, and of the requests that are written.
    seconds
        How long a point is measured, after 4 s that do not count.
    rounds
        How often each load is offered, in another order each time.
    peak
        Events a second that count as the peak; without it, the peak is looked for.
    json
        A file for all that was measured.
    write
        A document to put the tables into, for example docs/benchmarks.md.
    """

    batch: Sequence[Annotated[int, Parameter(validator=Number(gte=1, lte=1_000))]] = (100,)
    share: Sequence[Annotated[int, Parameter(validator=Number(gte=1, lte=1_000))]] = _SHARES
    events: Annotated[int, Parameter(validator=Number(gte=1_000, lte=1_000_000))] = 200_000
    seconds: Annotated[float, Parameter(validator=Number(gte=1, lte=600))] = 12.0
    rounds: Annotated[int, Parameter(validator=Number(gte=1, lte=100))] = 2
    peak: Annotated[float | None, Parameter(validator=Number(gt=0))] = None
    json: Path | None = None
    write: Path | None = None


def latency(options: Options | None = None) -> None:
    """Measure the time to glass against offered load, on a stack that is removed afterwards."""
    wished = options or Options()
    before = machine.look()
    with stack.running() as running:
        curves, postgres = uvloop.run(_measure(running, wished))
    told = Told(
        machine=before.having("PostgreSQL", postgres),
        rounds=wished.rounds,
        seconds=wished.seconds,
        curves=curves,
    )
    sheets.publish(curve.account(told), wished.json, wished.write)
    if missing := sum(point.missing_events for each in curves for point in each.points):
        raise OperatorError(f"{missing:,} events were accepted and are not in the store.")


async def _measure(running: Stack, options: Options) -> tuple[list[Curve], str]:
    async with (
        arrivals.opened(running.reached.database_url) as table,
        fleet.running(running, rigs.SAMPLED) as replicas,
    ):
        curves: list[Curve] = []
        for batch in options.batch:
            with Step(f"Writing {options.events:,} events, {batch} a request"):
                written = bodies.endless(options.events, batch)
            rig = Rig(running, table, written, batch, replicas)
            curves.append(await _curve(rig, options))
        return curves, await table.version()


async def _curve(rig: Rig, options: Options) -> Curve:
    peak = options.peak or await rigs.find_peak(rig, options.events, options.seconds)
    found: list[Point] = []
    for number in range(1, options.rounds + 1):
        for share in shuffled(options.share, number):
            with Step(f"Round {number} of {options.rounds}, {share} % of the peak") as step:
                aim = Aim(share, number, peak * share / 100, options.seconds)
                found.append(await points.measured(rig, aim, step))
    return Curve(batch=rig.batch, peak_per_s=peak, points=found)


def shuffled(shares: Sequence[int], number: int) -> list[int]:
    """Return the loads in the order of a round: another one each time, and the same each run."""
    # An order, and no secret.
    return random.Random(number).sample(shares, len(shares))  # noqa: S311
