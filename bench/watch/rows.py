"""The table of events: emptied before a run, and watched while it fills."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Window:
    """When the first and the last row were stored (s since the epoch)."""

    first_s: float
    last_s: float


class Rows:
    """The rows of one run after the other."""

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        self._connection = connection
        self.size_bytes = 0
        self.count = 0

    async def clear(self) -> None:
        """Remove all rows, and let the database write down what it owes of earlier runs."""
        await self._connection.execute("truncate event")
        await self._connection.execute("checkpoint")
        self.size_bytes = self.count = 0

    async def look(self) -> bool:
        """Return whether the table grew since the last look; if not, its rows are counted.

        A count takes its time from what is measured, a look at the size next to none.
        """
        size_bytes = await self._value("select pg_relation_size('event')")
        has_grown = size_bytes != self.size_bytes
        self.size_bytes = size_bytes
        if not has_grown:
            self.count = await self._value("select count(*) from event")
        return has_grown

    async def window(self) -> Window:
        """Return when the rows were stored."""
        row = await self._connection.fetchrow(
            "select extract(epoch from min(stored_at))::float8 as first_s,"
            " extract(epoch from max(stored_at))::float8 as last_s from event"
        )
        assert row is not None
        return Window(row["first_s"], row["last_s"])

    async def version(self) -> str:
        """Return the version of PostgreSQL."""
        return str(await self._value("show server_version")).split()[0]

    async def _value(self, query: str) -> Any:
        return await self._connection.fetchval(query)


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[Rows]:
    """Yield the table of a running stack."""
    connection = await asyncpg.connect(url, timeout=_TIMEOUT_S, command_timeout=_TIMEOUT_S)
    try:
        yield Rows(connection)
    finally:
        await connection.close(timeout=_TIMEOUT_S)
