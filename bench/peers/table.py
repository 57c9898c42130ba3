"""The table of a run, ours or a peer's: how many rows a second were stored, and how late."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bench.peers.programs import task
from bench.watch.table import Connection, Table
from tools.errors import OperatorError


@dataclass(frozen=True, slots=True)
class Steady:
    """The rows after the first transaction, and how long they took (s since the epoch)."""

    events: int
    since_s: float
    until_s: float

    @property
    def took_s(self) -> float:
        """From the end of the first transaction to the last row."""
        return self.until_s - self.since_s


@dataclass(frozen=True, slots=True)
class Latency:
    """How long events took from when they were made until they were stored."""

    events: int
    p50_ms: float
    p99_ms: float


@asynccontextmanager
async def made(connection: Connection, name: str) -> AsyncGenerator[Table]:
    """Make the empty table of a peer, and remove it in the end."""
    await connection.execute(f"drop table if exists {name}")
    try:
        for statement in task.definition(name):
            await connection.execute(statement)
        # What the database owes of earlier runs is written down before.
        await connection.execute("checkpoint")
        yield Table(connection, name)
    finally:
        await connection.execute(f"drop table if exists {name}")


async def steady(table: Table) -> Steady:
    """Return what was stored after the first transaction, which gathered before it ended.

    Raises `OperatorError` if that was all.
    """
    row = await table.row(
        "with first as (select max(stored_at) as at, count(*) as events from {table}"
        " where xmin = (select xmin from {table} order by stored_at limit 1))"
        " select (select events from first) as first_events, count(*) as events,"
        " extract(epoch from (select at from first))::float8 as since_s,"
        " extract(epoch from max(stored_at))::float8 as until_s from {table}"
    )
    events = row["events"] - row["first_events"]
    if not events or row["until_s"] <= row["since_s"]:
        raise OperatorError(
            f"{row['events']:,} events came in one transaction; measure more of them."
        )
    return Steady(events, row["since_s"], row["until_s"])


async def latency(table: Table, since_s: float) -> Latency:
    """Return how long the events took that were made after a moment (s since the epoch)."""
    row = await table.row(
        "select count(*) as events, percentile_cont(array[0.5, 0.99]) within group"
        " (order by extract(epoch from stored_at - timestamp)::float8 * 1000) as ms"
        " from {table} where timestamp >= to_timestamp($1)",
        since_s,
    )
    if not row["events"]:
        raise OperatorError("No event was stored that was made after the warm-up.")
    return Latency(row["events"], *row["ms"])
