"""When the events of each request were stored, and what all of them take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bench.watch.table import SINCE, Table, Window
from tools.load.plan import NAMES

# A row is stamped when it is inserted, before its transaction ends, so the last stamp of the
# transaction is nearer to the moment at which the row can be seen.
_ARRIVED = f"""
with mine as (
    select xmin as number, trace_id, received_at, stored_at from event where {SINCE}
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


async def arrived(table: Table, since_s: float) -> list[Arrived]:
    """Return every request that was received since a moment and has come out, in no order."""
    rows = await table.connection.fetch(_ARRIVED, list(NAMES), since_s)
    return [Arrived(*row.values()) for row in rows]


def stored_per_s(arrivals: Sequence[Arrived], window: Window) -> float:
    """Return how many events a second were stored in a window."""
    first_us, last_us = window.first_s * 1e6, window.last_s * 1e6
    inside = (one.events for one in arrivals if first_us <= one.stored_us < last_us)
    return sum(inside) / window.took_s


async def sizes(table: Table) -> Sizes:
    """Return what the rows take."""
    return Sizes(
        await table.connection.fetchval("select pg_total_relation_size('event')"),
        await table.connection.fetchval("select (pg_current_wal_lsn() - '0/0')::int8"),
    )


async def inserted(table: Table) -> int:
    """Return how many rows were ever inserted, as far as connections have told by now."""
    return await table.connection.fetchval("select pg_stat_get_tuples_inserted('event'::regclass)")


async def shed(table: Table) -> None:
    """Remove all rows while the sink goes on."""
    await table.connection.execute("truncate event")
