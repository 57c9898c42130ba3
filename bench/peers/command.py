"""`bench peers`: ours and others on the same broker and database, and how near a limit is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import asyncpg
import msgspec
import uvloop
from cyclopts import Parameter
from cyclopts.validators import Number
from rich.console import Console

from bench.comparison import report as documents
from bench.peers import choices, environment, report as reports
from bench.peers.chain import Field
from bench.peers.entrants import ENTRANTS, OURS
from bench.peers.figures import Figure
from bench.peers.glass import Pace
from bench.peers.report import Report
from bench.peers.rounds import PARTS, Plan, Rounds
from bench.peers.supply import Supply
from bench.stack import temporary as stack
from bench.stack.temporary import Stack
from bench.watch import machine, rows

_CONNECT_TIMEOUT_S = 60.0
# Beside the document, as the pictures of the other pages.
_IMAGES = "images"

_Count = Annotated[int, Parameter(validator=Number(gte=1, lte=5_000_000))]
_Seconds = Annotated[float, Parameter(validator=Number(gte=1, lte=600))]
_EVENTS_PER_REQUEST_MAX = 10_000


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Who and what is measured, for how long, and where the results go.

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
    json
        A file for all that was measured.
    write
        A document to put the tables into, for example docs/benchmarks.md, with charts beside it.
    """

    only: str = ",".join((*ENTRANTS, OURS))
    part: str = ",".join(PARTS)
    batch: str = "1,10,100,500"
    sampled: str = "1,100"
    rounds: _Count = 3
    window_s: _Seconds = 4.0
    events: _Count = 500_000
    rate: Annotated[float, Parameter(validator=Number(gte=1, lte=10_000))] = 300.0
    json: Path | None = None
    write: Path | None = None


def peers(options: Options | None = None) -> None:
    """Compare ours with others, on a stack of its own that is removed afterwards."""
    chosen = options or Options()
    plan = _planned(chosen)
    where = machine.look()
    python = environment.ready()
    for name, version in environment.versions(python).items():
        where = where.having(name, version)
    figures: list[Figure] = []
    report = Report(
        machine=where,
        rounds=plan.rounds,
        window_s=plan.window_s,
        rate_events_per_s=chosen.rate,
        figures=figures,
    )
    try:
        with stack.running() as running:
            postgres = uvloop.run(_measure(running, python, plan, figures))
    except BaseException:
        # Of a run of many minutes that is ended early, what it has found so far is told.
        if figures:
            _tell(report, chosen.json)
        raise
    report = msgspec.structs.replace(report, machine=where.having("PostgreSQL", postgres))
    _tell(report, chosen.json)
    if chosen.write is not None:
        _write(chosen.write, report)


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
        pace=Pace(chosen.rate, chosen.window_s),
    )


async def _measure(running: Stack, python: Path, plan: Plan, figures: list[Figure]) -> str:
    """Add what is measured to the figures; return the version of PostgreSQL."""
    url = running.reached.database_url
    async with rows.opened(url) as table:
        connection = await asyncpg.connect(
            url, timeout=_CONNECT_TIMEOUT_S, command_timeout=_CONNECT_TIMEOUT_S
        )
        try:
            field = Field(running, connection, Supply(), python)
            await Rounds(field, table, plan).run(figures)
            return await table.version()
        finally:
            await connection.close()


def _tell(report: Report, json: Path | None) -> None:
    reports.draw(Console(), report)
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")


def _write(path: Path, report: Report) -> None:
    folder = path.parent / _IMAGES
    folder.mkdir(exist_ok=True)
    links: list[str] = []
    for name, picture in reports.pictures(report).items():
        (folder / name).write_text(picture)
        links.append(f"![{_title(picture)}]({_IMAGES}/{name})")
    document = path.read_text() if path.exists() else "# Benchmarks\n"
    section = reports.markdown(report, links)
    path.write_text(documents.put(document, "peers", section))


def _title(picture: str) -> str:
    """Return the title of a chart."""
    return picture.split("<title>", 1)[1].split("</title>", 1)[0]
