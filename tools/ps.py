"""`ttg ps`: every process of the stack, and which partitions each replica has."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from libs.errors import Unavailable
from libs.kafka.admin import Group, admin
from services.topology import PIPELINE
from tools import env, mode
from tools.errors import OperatorError
from tools.mode import Mode
from tools.native import settings as native_settings
from tools.process import Process, Said, order

_STYLES = {
    **dict.fromkeys(("ready", "standby", "done"), "green"),
    **dict.fromkeys(("starting", "draining"), "yellow"),
    **dict.fromkeys(("not ready", "no answer", "restarting", "failed"), "red"),
}
# A stack whose broker is away is listed all the same.
_KAFKA_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Row:
    """One replica of one process; partitions as `events.raw-0`.

    `reasons` say why a replica that runs is not ready; `restarts` counts those of the supervisor.
    """

    stage: str
    replica: int
    pid: int | None
    state: str
    partitions: list[str]
    reasons: list[str]
    restarts: int


def ps(*, as_json: Annotated[bool, Parameter(name="--json", negative=())] = False) -> None:
    """List processes, replicas and their partitions.

    Parameters
    ----------
    as_json
        Print a JSON list instead of a table.
    """
    rows = listed(mode.running(native_settings.current()))
    if as_json:
        sys.stdout.write(json.dumps([dataclasses.asdict(row) for row in rows], indent=2) + "\n")
    else:
        Console().print(_table(rows))


def listed(running: Mode) -> list[Row]:
    """Return a row for every process, in the order of the flow."""
    processes = sorted(running.processes(), key=order)
    partitions = _partitions()
    said = running.said(processes)
    return [_row(one, partitions, said.get(one.name)) for one in processes]


def groups() -> dict[str, Group]:
    """Return the consumer group of each stage. Raises `Unavailable`."""
    # Where the stack is, which need not be where this shell would start one.
    return asyncio.run(_groups(env.load().kafka_bootstrap_servers))


async def _groups(servers: str) -> dict[str, Group]:
    async with asyncio.timeout(_KAFKA_PATIENCE_S), admin(servers) as kafka:
        return await kafka.groups(hop.stage for hop in PIPELINE if hop.reads)


def _partitions() -> dict[str, list[str]]:
    try:
        found = groups()
    except (Unavailable, TimeoutError, OperatorError):
        # A stack that is still starting has no env file yet.
        return {}
    return {
        member.client_id: [f"{one.topic}-{one.number}" for one in member.partitions]
        for group in found.values()
        for member in group.members
    }


def _row(process: Process, partitions: dict[str, list[str]], said: Said | None) -> Row:
    client_id = f"{process.stage}-{process.replica}"
    # What a replica says of itself is newer than what the supervisor saw when it started.
    shown = said if said is not None and process.state == "ready" else Said(process.state)
    return Row(
        stage=process.stage,
        replica=process.replica,
        pid=process.pid,
        state=shown.status,
        partitions=partitions.get(client_id, []),
        reasons=list(shown.reasons),
        restarts=process.restarts,
    )


def _table(rows: list[Row]) -> Table:
    table = Table("stage", "replica", "pid", "state", "partitions", box=None, pad_edge=False)
    for row in rows:
        style = _STYLES.get(row.state, "")
        table.add_row(
            row.stage,
            str(row.replica),
            str(row.pid or ""),
            f"[{style}]{row.state}[/]" if style else row.state,
            _short(row.partitions),
        )
        for reason in row.reasons:
            table.add_row("", "", "", "", f"[{style}]{escape(reason)}[/]" if style else reason)
    return table


def _short(partitions: list[str]) -> str:
    by_topic: dict[str, list[str]] = {}
    for partition in partitions:
        topic, _, number = partition.rpartition("-")
        by_topic.setdefault(topic, []).append(number)
    return "  ".join(f"{topic} {','.join(numbers)}" for topic, numbers in by_topic.items())
