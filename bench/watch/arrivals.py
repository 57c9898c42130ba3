"""The rows of a running pipeline: when those of each request were stored, and what they take."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import asyncpg

from bench.stack.stages import Stage
from bench.watch.rows import Window
from tools.errors import OperatorError
from tools.load.plan import NAMES

_TIMEOUT_S = 300.0
_LOOK_AGAIN_S = 0.25
_STALL_LIMIT_S = 60.0

# By the index, so that it takes the same however many rows were there before. The events of a plan
# carry no time of their own, so they have that of their receipt.
_SINCE = "name = any($1) and timestamp >= to_timestamp($2)"
# A row is stamped when it is inserted, before its transaction ends, so the last stamp of the
# transaction is nearer to the moment at which the row can be seen.
_ARRIVED = f"""
with mine as (
    select xmin as number, trace_id, received_at, stored_at from event where {_SINCE}
), done as (
    select number, max(stored_at) as stored_at from mine group by number
)
select trace_id,
       (extract(epoch from received_at) * 1000000)::int8 as received_us,
       (extract(epoch from max(done.stored_at)) * 1000000)::int8 as stored_us,
       count(*) as events
from mine join done using (number)
group by trace_id, received_at
"""  # noqa: S608  (fixed texts, no input)
_WINDOW = f"""
select extract(epoch from min(stored_at))::float8 as first_s,
       extract(epoch from max(stored_at))::float8 as last_s
from event where {_SINCE}
"""  # noqa: S608
_COUNT = f"select count(*) from event where {_SINCE}"  # noqa: S608


class Arrived(NamedTuple):
    """The events of one request that are in the store; times are µs since the epoch.

    `stored_us` is the end of the INSERT that stored the last of them, right before the COMMIT.
    """

    trace_id: str
    received_us: int
    stored_us: int
    events: int


class Sizes(NamedTuple):
    """What the table takes with its indexes, and how much was ever written ahead of it (bytes)."""

    table_bytes: int
    wal_bytes: int


class Arrivals:
    """The table of events, asked while the pipeline works."""

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        self._connection = connection

    async def clear(self) -> None:
        """Remove all rows, and let the database write down what it owes of earlier runs."""
        await self._connection.execute("truncate event")
        await self._connection.execute("checkpoint")

    async def shed(self) -> None:
        """Remove all rows while the sink goes on."""
        await self._connection.execute("truncate event")

    async def inserted(self) -> int:
        """Return how many rows were ever inserted, as of some seconds ago."""
        return await self._value("select pg_stat_get_tuples_inserted('event'::regclass)")

    async def count(self, since_s: float) -> int:
        """Return how many events that were received since a moment have come out."""
        return await self._value(_COUNT, list(NAMES), since_s)

    async def arrived(self, since_s: float) -> list[Arrived]:
        """Return every request that was received since a moment and has come out, in no order."""
        rows = await self._connection.fetch(_ARRIVED, list(NAMES), since_s)
        return [Arrived(*row.values()) for row in rows]

    async def window(self, since_s: float) -> Window:
        """Return when the rows that were received since a moment were stored, at least one."""
        row = await self._connection.fetchrow(_WINDOW, list(NAMES), since_s)
        assert row is not None
        return Window(row["first_s"], row["last_s"])

    async def sizes(self) -> Sizes:
        """Return what the rows take."""
        return Sizes(
            await self._value("select pg_total_relation_size('event')"),
            await self._value("select (pg_current_wal_lsn() - '0/0')::int8"),
        )

    async def until(
        self, events: int, since_s: float, replicas: Sequence[Stage], show: Callable[[str], None]
    ) -> None:
        """Wait until so many events that were received since a moment are there.

        They are counted only while the table stands still. Raises `OperatorError` if a stage ends,
        or nothing comes for a minute.
        """
        size_bytes, grown_s = 0, time.monotonic()
        while True:
            for replica in replicas:
                replica.check()
            now_bytes = await self._value("select pg_relation_size('event')")
            if now_bytes != size_bytes:
                size_bytes, grown_s = now_bytes, time.monotonic()
            elif (count := await self.count(since_s)) >= events:
                return
            elif time.monotonic() - grown_s > _STALL_LIMIT_S:
                raise OperatorError(f"{events - count:,} accepted events did not come out.")
            show(f"{size_bytes >> 20} MiB of rows stored")
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def version(self) -> str:
        """Return the version of PostgreSQL."""
        return str(await self._value("show server_version")).split()[0]

    async def _value(self, query: str, *arguments: object) -> Any:
        return await self._connection.fetchval(query, *arguments)


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[Arrivals]:
    """Yield the table of a running stack."""
    connection = await asyncpg.connect(url, timeout=_TIMEOUT_S, command_timeout=_TIMEOUT_S)
    try:
        # Of a table that was empty a moment ago the planner expects no rows, and would compare each
        # with each.
        await connection.execute("set enable_nestloop = off")
        yield Arrivals(connection)
    finally:
        await connection.close(timeout=_TIMEOUT_S)
