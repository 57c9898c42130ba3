"""The database, as far as dead letters are concerned: those of the sink, and what is stored."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from libs.errors import Unavailable
from tools.dlq.letter import Key, Letter, of_row

_CONNECT_TIMEOUT_S = 10.0
_QUERY_TIMEOUT_S = 60.0
_KEYS_AT_ONCE = 5_000

_LETTERS = """
    select topic, part, "offset", stage, reason, headers, value, dead_at
    from dead_letter order by dead_at desc limit $1
"""
_STORED = """
    select tenant, event_id::text, trace_id from event
    join unnest($1::text[], $2::uuid[]) as asked(tenant, event_id) using (tenant, event_id)
"""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# What means that the database is not there, or does not do what it is asked.
_AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


class Store:
    """One connection. Every method raises `Unavailable` if the database does not answer."""

    def __init__(self, connection: asyncpg.Connection[Any]) -> None:
        self._connection = connection

    async def letters(self, count: int) -> list[Letter]:
        """Read the newest letters of the sink, newest first; none if there is no table for them."""
        try:
            rows = await self._connection.fetch(_LETTERS, count)
        except asyncpg.UndefinedTableError:
            return []
        except _AWAY as error:
            raise _unavailable(error) from error
        return [of_row(dict(row), _us(row["dead_at"])) for row in rows]

    async def stored(self, keys: Collection[Key]) -> dict[Key, str]:
        """Say which events are in the store, each with the trace that brought it there."""
        asked = {(key[0], event_id): key for key in keys if (event_id := _uuid(key[1]))}
        found: dict[Key, str] = {}
        try:
            for first in range(0, len(asked), _KEYS_AT_ONCE):
                some = list(asked)[first : first + _KEYS_AT_ONCE]
                tenants, event_ids = zip(*some, strict=True)
                for row in await self._connection.fetch(_STORED, tenants, event_ids):
                    found[asked[row["tenant"], row["event_id"]]] = row["trace_id"]
        except asyncpg.UndefinedTableError:
            return {}
        except _AWAY as error:
            raise _unavailable(error) from error
        return found


@asynccontextmanager
async def opened(database_url: str) -> AsyncGenerator[Store]:
    """Yield the store. Raises `Unavailable` if the database does not answer."""
    try:
        connection = await asyncpg.connect(
            database_url, timeout=_CONNECT_TIMEOUT_S, command_timeout=_QUERY_TIMEOUT_S
        )
    except _AWAY as error:
        raise _unavailable(error) from error
    try:
        yield Store(connection)
    finally:
        connection.terminate()


def _uuid(text: str) -> str:
    """Write an id as the store does; empty if the store cannot hold it."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return ""


def _us(time: datetime) -> int:
    return (time - _EPOCH) // _MICROSECOND


def _unavailable(error: Exception) -> Unavailable:
    return Unavailable(f"the database does not answer: {error!r}")
