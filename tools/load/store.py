"""Asks the database what arrived of a run, reading its table afresh."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from libs.errors import Unavailable
from tools.load.account import Account, Found
from tools.load.plan import NAMES, Plan
from tools.load.sender import Outcome

_ROWS_AT_ONCE = 5_000
_ASK_AGAIN_S = 0.5
_CONNECT_TIMEOUT_S = 10.0
_QUERY_TIMEOUT_S = 60.0
_MICROSECOND = timedelta(microseconds=1)

# By the names and times of the run and not by tenant and id: a row that is there twice, under
# whatever key, is then seen twice.
_RUN = """
    from event
    where name = any($1) and timestamp >= $2 and attributes ->> 'run' = $3
"""
_COUNT = "select count(*)" + _RUN
_ROWS = "select event_id, trace_id, received_at, stored_at" + _RUN


class Store:
    """The table of events. Every method raises `Unavailable` if the database does not answer."""

    def __init__(self, database_url: str, plan: Plan, since: datetime) -> None:
        self._database_url = database_url
        self._plan = plan
        self._arguments = (list(NAMES), since, str(plan.run_id))

    async def settle(self, expected: int, limit_s: float, show: Callable[[int], None]) -> None:
        """Wait until `expected` rows are there, or none came for `limit_s`; `show` gets each count.

        A database that is away is waited for just so.
        """
        seen, changed = -1, time.monotonic()
        while True:
            try:
                count = await self._count()
            except Unavailable:
                count = seen
            if count != seen:
                seen, changed = count, time.monotonic()
                show(seen)
            if seen >= expected or time.monotonic() - changed > limit_s:
                return
            await asyncio.sleep(_ASK_AGAIN_S)

    async def account(self, outcome: Outcome) -> Found:
        """Compare every row of the run with what the door said of its request."""
        account = Account(self._plan, outcome)
        try:
            connection = await self._connect()
            try:
                async with connection.transaction(readonly=True, isolation="repeatable_read"):
                    rows = connection.cursor(_ROWS, *self._arguments, prefetch=_ROWS_AT_ONCE)
                    async for row in rows:
                        account.see(row["event_id"], row["trace_id"], _taken_us(row))
            finally:
                await connection.close(timeout=_CONNECT_TIMEOUT_S)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise Unavailable(f"the database does not answer: {error!r}") from error
        return account.sum_up()

    async def _count(self) -> int:
        try:
            connection = await self._connect()
            try:
                return int(await connection.fetchval(_COUNT, *self._arguments))
            finally:
                await connection.close(timeout=_CONNECT_TIMEOUT_S)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise Unavailable(f"the database does not answer: {error!r}") from error

    async def _connect(self) -> asyncpg.Connection[Any]:
        return await asyncpg.connect(
            self._database_url, timeout=_CONNECT_TIMEOUT_S, command_timeout=_QUERY_TIMEOUT_S
        )


def _taken_us(row: Any) -> int:
    return (row["stored_at"] - row["received_at"]) // _MICROSECOND
