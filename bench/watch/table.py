"""A table that fills while it is measured: ours, or that of a peer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

import asyncpg

from tools.errors import OperatorError
from tools.load.plan import NAMES

EVENTS = "event"
_TIMEOUT_S = 300.0
_LOOK_AGAIN_S = 0.25
_STALL_LIMIT_S = 60.0
# By the index, so that it takes the same however many rows were there before. The events of a plan
# carry no time of their own, so they have that of their receipt.
SINCE = "name = any($1) and timestamp >= to_timestamp($2)"
_COUNT = "select count(*) as events from {table}"
_WINDOW = (
    "select extract(epoch from min(stored_at))::float8 as first_s,"
    " extract(epoch from max(stored_at))::float8 as last_s from {table}"
)

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time: from when to when (s since the epoch)."""

    first_s: float
    last_s: float

    @property
    def took_s(self) -> float:
        """How long it is."""
        return self.last_s - self.first_s


class Table:
    """One table with the columns `name`, `timestamp` and `stored_at`."""

    def __init__(self, connection: Connection, name: str = EVENTS) -> None:
        self.connection = connection
        self.name = name

    async def clear(self) -> None:
        """Remove all rows, and let the database write down what it owes of earlier runs."""
        await self.connection.execute(f"truncate {self.name}")
        await self.connection.execute("checkpoint")

    async def count(self, since_s: float | None = None) -> int:
        """Return how many events are there, all or those of a moment or later."""
        return (await self._of(_COUNT, since_s))["events"]

    async def window(self, since_s: float | None = None) -> Window:
        """Return from when to when events were stored, all or those of a moment or later."""
        row = await self._of(_WINDOW, since_s)
        return Window(row["first_s"], row["last_s"])

    async def until(
        self,
        events: int,
        check: Callable[[], None],
        show: Callable[[str], None],
        since_s: float | None = None,
    ) -> None:
        """Wait until so many events are there, all or those of a moment or later.

        `check` is asked meanwhile. They are counted only while the table stands still: a count
        takes its time from what is measured, a look at the size next to none. Raises
        `OperatorError` if nothing comes for a minute.
        """
        size_bytes, grown_s = 0, time.monotonic()
        while True:
            check()
            now_bytes = await self.connection.fetchval(f"select pg_relation_size('{self.name}')")
            if now_bytes != size_bytes:
                size_bytes, grown_s = now_bytes, time.monotonic()
            elif (count := await self.count(since_s)) >= events:
                return
            elif time.monotonic() - grown_s > _STALL_LIMIT_S:
                raise OperatorError(
                    f"Only {count:,} of {events:,} events came out, and none for "
                    f"{_STALL_LIMIT_S:.0f} s."
                )
            show(f"{size_bytes >> 20} MiB of rows stored")
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def version(self) -> str:
        """Return the version of PostgreSQL."""
        return str(await self.connection.fetchval("show server_version")).split()[0]

    async def row(self, query: str, *values: object) -> asyncpg.Record:
        """Return the row of a query of `{table}`."""
        found = await self.connection.fetchrow(query.replace("{table}", self.name), *values)
        assert found is not None
        return found

    async def _of(self, query: str, since_s: float | None) -> asyncpg.Record:
        if since_s is None:
            return await self.row(query)
        return await self.row(f"{query} where {SINCE}", list(NAMES), since_s)


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[Table]:
    """Yield the events of a running stack."""
    connection = await asyncpg.connect(url, timeout=_TIMEOUT_S, command_timeout=_TIMEOUT_S)
    try:
        # Of a table that was empty a moment ago the planner expects no rows, and would compare each
        # with each.
        await connection.execute("set enable_nestloop = off")
        yield Table(connection)
    finally:
        await connection.close(timeout=_TIMEOUT_S)
