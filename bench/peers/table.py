"""A table that fills while it is measured, ours or a peer's: when its rows were stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import asyncpg

from bench.peers.programs import task
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


class Table:
    """One table with the columns `timestamp` and `stored_at`."""

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record], name: str) -> None:
        self._connection = connection
        self.name = name
        self._size_bytes = 0
        self.count = 0

    async def create(self) -> None:
        """Make the empty table of a peer, and let the database write down what it owes."""
        await self.drop()
        for statement in task.definition(self.name):
            await self._connection.execute(statement)
        await self._connection.execute("checkpoint")
        self._size_bytes = self.count = 0

    async def drop(self) -> None:
        """Remove the table of a peer."""
        await self._connection.execute(f"drop table if exists {self.name}")

    async def look(self) -> bool:
        """Return whether the table grew since the last look; if not, its rows are counted.

        A count takes its time from what is measured, a look at the size next to none.
        """
        size_bytes = await self._connection.fetchval(f"select pg_relation_size('{self.name}')")
        has_grown = size_bytes != self._size_bytes
        self._size_bytes = size_bytes
        if not has_grown:
            self.count = (await self._row("select count(*) as events from {table}"))["events"]
        return has_grown

    async def steady(self) -> Steady:
        """Return what was stored after the first transaction, which gathered before it ended.

        Raises `OperatorError` if that was all.
        """
        row = await self._row(
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

    async def latency(self, since_s: float) -> Latency:
        """Return how long the events took that were made after a moment (s since the epoch)."""
        row = await self._row(
            "select count(*) as events, percentile_cont(array[0.5, 0.99]) within group"
            " (order by extract(epoch from stored_at - timestamp)::float8 * 1000) as ms"
            " from {table} where timestamp >= to_timestamp($1)",
            since_s,
        )
        if not row["events"]:
            raise OperatorError("No event was stored that was made after the warm-up.")
        return Latency(row["events"], *row["ms"])

    async def _row(self, query: str, *values: Any) -> asyncpg.Record:
        found = await self._connection.fetchrow(query.replace("{table}", self.name), *values)
        assert found is not None
        return found
