"""`bench peers`: ours and others on the same broker and database, and how near a limit is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number

from bench.load.open_loop import Pace
from bench.peers import choices, environment
from bench.peers.chain import Field
from bench.peers.entrants import ENTRANTS, OURS
from bench.peers.figures import Figure
from bench.peers.glass import WARM_UP_S
from bench.peers.report import Report, account
from bench.peers.rounds import PARTS, Plan, Rounds
from bench.peers.supply import Supply
from bench.report.target import Target
from bench.stack.temporary import Stack, on_a_stack
from bench.watch import machine, table as tables

_Count = Annotated[int, Parameter(validator=Number(gte=1, lte=5_000_000))]
_Seconds = Annotated[float, Parameter(validator=Number(gte=1, lte=600))]
_EVENTS_PER_REQUEST_MAX = 10_000


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Who and what is measured, and for how long.

    Parameters
    ----------
    only
        Who takes part, with commas.
    part
        chain: from the first topic. whole: ours through the door. glass: how long an event takes.
        limit: what no chain can be above. With commas.
    batch
        Events a request of ours; peers have one event a record. With commas.
    sampled
        Of a hundred traces. With commas.
    rounds
        Runs of each.
    window_s
        About how long a run is to take.
    events
        Events of a run at most.
    rate
        Events a second for `glass`, which the slowest must bear.
    """

    only: str = ",".join((*ENTRANTS, OURS))
    part: str = ",".join(PARTS)
    batch: str = "1,10,100,500"
    sampled: str = "1,100"
    rounds: _Count = 3
    window_s: _Seconds = 4.0
    events: _Count = 500_000
    rate: Annotated[float, Parameter(validator=Number(gte=1, lte=10_000))] = 300.0


def peers(options: Options | None = None, *, target: Target | None = None) -> None:
    """Compare ours with others, on a stack of its own that is removed afterwards."""
    chosen, told_to = options or Options(), target or Target()
    told_to.check("peers")
    plan = _planned(chosen)
    where = machine.look()
    python = environment.ready()
    for name, version in environment.versions(python).items():
        where = where.having(name, version)
    report = Report(
        machine=where,
        rounds=plan.rounds,
        window_s=plan.window_s,
        rate_events_per_s=chosen.rate,
        figures=[],
    )
    with told_to.noting(lambda: account(report) if report.figures else None):
        postgres = on_a_stack(lambda stack: _measure(stack, python, plan, report.figures))
    there = where.having("PostgreSQL", postgres)
    told_to.publish(account(msgspec.structs.replace(report, machine=there)))


def _planned(chosen: Options) -> Plan:
    batches = choices.numbers(chosen.batch, 1, _EVENTS_PER_REQUEST_MAX)
    return Plan(
        rounds=chosen.rounds,
        window_s=chosen.window_s,
        events_max=chosen.events,
        entrants=choices.words(chosen.only, (*ENTRANTS, OURS)),
        parts=choices.words(chosen.part, PARTS),
        batches=[int(batch) for batch in batches],
        percents=choices.numbers(chosen.sampled, 0, 100),
        pace=Pace(chosen.rate, WARM_UP_S + chosen.window_s),
    )


async def _measure(stack: Stack, python: Path, plan: Plan, figures: list[Figure]) -> str:
    """Add what is measured to the figures; return the version of PostgreSQL."""
    async with tables.opened(stack.reached.database_url) as table:
        await Rounds(Field(stack, table, Supply(), python), plan).run(figures)
        return await table.version()
