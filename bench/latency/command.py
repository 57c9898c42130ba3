"""`bench latency`: the time to glass against offered load, up to and past saturation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number

from bench.latency import curve, points
from bench.latency.curve import Curve, Told
from bench.latency.points import Aim
from bench.load import bodies, peak
from bench.load.rig import Rig
from bench.load.turns import shuffled
from bench.load.warming import warm_up
from bench.report.target import Target
from bench.stack import fleet
from bench.stack.stages import FEW_SAMPLED
from bench.stack.temporary import Stack, on_a_stack
from bench.watch import machine, table as tables
from tools.errors import OperatorError
from tools.progress import Step

_SHARES = (5, 10, 20, 40, 60, 80, 95, 110, 150)


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is offered, and for how long.

    Parameters
    ----------
    batch
        Events a request; for more than one, each has a curve of its own.
    share
        Percent of the peak that is offered.
    events
        Events of a run of the warm-up, and of the requests that are written.
    seconds
        How long a point is measured, after 4 s that do not count.
    rounds
        How often each load is offered, in another order each time.
    peak
        Events a second that count as the peak; without it, the peak is looked for.
    """

    batch: Sequence[Annotated[int, Parameter(validator=Number(gte=1, lte=1_000))]] = (100,)
    share: Sequence[Annotated[int, Parameter(validator=Number(gte=1, lte=1_000))]] = _SHARES
    events: Annotated[int, Parameter(validator=Number(gte=1_000, lte=1_000_000))] = 200_000
    seconds: Annotated[float, Parameter(validator=Number(gte=1, lte=600))] = 12.0
    rounds: Annotated[int, Parameter(validator=Number(gte=1, lte=100))] = 2
    peak: Annotated[float | None, Parameter(validator=Number(gt=0))] = None


def latency(options: Options | None = None, *, target: Target | None = None) -> None:
    """Measure the time to glass against offered load, on a stack that is removed afterwards."""
    wished, told_to = options or Options(), target or Target()
    told_to.check("latency")
    told = Told(machine=machine.look(), rounds=wished.rounds, seconds=wished.seconds, curves=[])
    with told_to.noting(lambda: curve.account(told) if told.points else None):
        postgres = on_a_stack(lambda stack: _measure(stack, wished, told.curves))
    told = msgspec.structs.replace(told, machine=told.machine.having("PostgreSQL", postgres))
    told_to.publish(curve.account(told))
    if missing := sum(point.missing_events for point in told.points):
        raise OperatorError(f"{missing:,} events were accepted and are not in the store.")


async def _measure(stack: Stack, options: Options, curves: list[Curve]) -> str:
    """Add what is measured to the curves; return the version of PostgreSQL."""
    async with tables.opened(stack.reached.database_url) as table:
        await warm_up(stack, table, options.events)
        async with fleet.running(stack, FEW_SAMPLED) as working:
            for batch in options.batch:
                written = bodies.endless(options.events, batch)
                rig = Rig(stack, table, working, written, batch)
                await _follow(rig, options, curves)
        return await table.version()


async def _follow(rig: Rig, options: Options, curves: list[Curve]) -> None:
    peak_per_s = options.peak or await peak.find(rig, options.events, options.seconds)
    found = Curve(batch=rig.batch, peak_per_s=peak_per_s, points=[])
    curves.append(found)
    for number in range(1, options.rounds + 1):
        for share in shuffled(options.share, number):
            with Step(f"Round {number} of {options.rounds}, {share} % of the peak") as step:
                aim = Aim(share, number, peak_per_s * share / 100, options.seconds)
                found.points.append(await points.measured(rig, aim, step))
