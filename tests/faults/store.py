"""Reads the store afresh, with SQL of its own."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec

from tests.faults.observed import GROUPS, Dead, Row

_LIMIT_S = 60.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# The load counts its events in the lowest 48 bits of their ids.
_IDS = 1 << 48

# Also what has the mark of the run but not an id of it, and the other way round.
_EVENTS = """
select tenant, event_id, name, value, unit, timestamp, attributes, owner, team, region, trace_id,
       received_at, stored_at
from event where attributes ->> 'run' = $1 or event_id between $2 and $3
"""
_DEAD = "select tenant, event_id from dead_letter where event_id between $1 and $2"
_OFFSETS = "select topic, part, next_offset from sink_offset where topic = $1"
_OWNED = "select count(*) from sink_offset where owner = $1"
_IDLE = """
select pid, application_name from pg_stat_activity
where state like 'idle in transaction%' and datname = current_database()
"""
_PREPARED = "select count(*) from pg_prepared_xacts"


async def connect(url: str) -> asyncpg.Connection[Any]:
    """Connect with limits."""
    return await asyncpg.connect(url, timeout=_LIMIT_S, command_timeout=_LIMIT_S)


async def events(connection: asyncpg.Connection[Any], run_id: str) -> list[Row]:
    """Read every row of a run."""
    first, last = _range(run_id)
    return [_row(row) for row in await connection.fetch(_EVENTS, run_id, first, last)]


async def dead_letters(connection: asyncpg.Connection[Any], run_id: str) -> list[Dead]:
    """Read the store's dead letters of a run; none if it has no table of them."""
    if not await _exists(connection, "dead_letter"):
        return []
    # As text: what should be a UUID may be none.
    rows = await connection.fetch(_DEAD, *map(str, _range(run_id)))
    return [Dead(row["tenant"], str(row["event_id"]), "dead_letter") for row in rows]


async def unrest(connection: asyncpg.Connection[Any], ends: dict[Any, int]) -> list[str]:
    """Say what is open in the store, and which of its positions is not at the end of its log."""
    found = [
        f"session {row['pid']} of {row['application_name']} is idle in its transaction"
        for row in await connection.fetch(_IDLE)
    ]
    if prepared := await connection.fetchval(_PREPARED):
        found.append(f"{prepared} transactions are prepared")
    if not await _exists(connection, "sink_offset"):
        return found
    topic = GROUPS["sink"]
    rows = await connection.fetch(_OFFSETS, topic)
    held = {row["part"]: row["next_offset"] for row in rows}
    for place, end in ends.items():
        if place.topic == topic and end and held.get(place.partition, 0) != end:
            at = held.get(place.partition)
            found.append(f"sink_offset is at {at} of {end} in {topic}-{place.partition}")
    return found


async def owned(url: str, owner: str) -> int:
    """Count the partitions that a replica of the sink has claimed last."""
    connection = await connect(url)
    try:
        return await connection.fetchval(_OWNED, owner)
    finally:
        await connection.close()


async def _exists(connection: asyncpg.Connection[Any], table: str) -> bool:
    return await connection.fetchval("select to_regclass($1) is not null", table)


def _range(run_id: str) -> tuple[uuid.UUID, uuid.UUID]:
    first = uuid.UUID(run_id).int
    return uuid.UUID(int=first), uuid.UUID(int=first + _IDS - 1)


def _row(row: Any) -> Row:
    return Row(
        tenant=row["tenant"],
        event_id=str(row["event_id"]),
        name=row["name"],
        value=row["value"],
        unit=row["unit"],
        attributes=msgspec.json.decode(row["attributes"]),
        owner=row["owner"],
        team=row["team"],
        region=row["region"],
        trace_id=row["trace_id"],
        timestamp_us=_us(row["timestamp"]),
        received_us=_us(row["received_at"]),
        stored_us=_us(row["stored_at"]),
    )


def _us(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND
