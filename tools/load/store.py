"""Asks the database what arrived of a run, reading its table afresh."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import asyncpg
from hdrh.histogram import HdrHistogram

from libs.errors import Unavailable
from tools.load.plan import NAMES, Plan
from tools.load.sender import Outcome, histogram

_ROWS_AT_ONCE = 5_000
_ASK_AGAIN_S = 0.5
_CONNECT_TIMEOUT_S = 10.0
_QUERY_TIMEOUT_S = 60.0
_MICROSECOND = timedelta(microseconds=1)
_LISTED_MAX = 10

# By the names and times of the run and not by tenant and id: a row that is there twice, under
# whatever key, is then seen twice.
_RUN = """
    from event
    where name = any($1) and timestamp >= $2 and attributes ->> 'run' = $3
"""
_COUNT = "select count(*)" + _RUN
_ROWS = "select event_id, trace_id, received_at, stored_at" + _RUN


@dataclass(slots=True)
class Found:
    """What the store holds of a run."""

    missing: int = 0
    doubled: int = 0
    stored_of_unknown: int = 0
    # Rows of the run with an id that it never sent.
    foreign: int = 0
    # Some of those that are missing.
    missing_ids: list[str] = field(default_factory=list[str])
    time_to_glass_us: HdrHistogram = field(default_factory=histogram)
    slowest_trace_id: str = ""
    slowest_us: int = 0


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
        seen = bytearray(self._plan.events)
        found = Found()
        try:
            connection = await self._connect()
            try:
                async with connection.transaction(readonly=True, isolation="repeatable_read"):
                    rows = connection.cursor(_ROWS, *self._arguments, prefetch=_ROWS_AT_ONCE)
                    async for row in rows:
                        self._see(row, seen, outcome, found)
            finally:
                await connection.close(timeout=_CONNECT_TIMEOUT_S)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise Unavailable(f"the database does not answer: {error!r}") from error
        self._sum_up(seen, outcome, found)
        return found

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

    def _see(self, row: Any, seen: bytearray, outcome: Outcome, found: Found) -> None:
        number = self._plan.number(row["event_id"])
        if not 0 <= number < len(seen):
            found.foreign += 1
            return
        seen[number] = min(seen[number] + 1, 2)
        taken_us = (row["stored_at"] - row["received_at"]) // _MICROSECOND
        found.time_to_glass_us.record_value(max(taken_us, 1))
        if taken_us > found.slowest_us and row["trace_id"] in outcome.sampled:
            found.slowest_us, found.slowest_trace_id = taken_us, row["trace_id"]

    def _sum_up(self, seen: bytearray, outcome: Outcome, found: Found) -> None:
        found.doubled = seen.count(2)
        for number in self._events_of(outcome.accepted):
            if not seen[number]:
                found.missing += 1
                if len(found.missing_ids) < _LISTED_MAX:
                    found.missing_ids.append(self._plan.event_id(number))
        found.stored_of_unknown = sum(
            seen[number] > 0 for number in self._events_of(outcome.unknown)
        )

    def _events_of(self, requests: Sequence[int]) -> Iterator[int]:
        batch = self._plan.batch
        for request in requests:
            yield from range(request * batch, (request + 1) * batch)
