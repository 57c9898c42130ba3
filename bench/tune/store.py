"""What the rows of a trial say: when events of the load were due, received and stored."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench.tune.trial import Latency
from bench.watch.table import Connection, Window
from tools.load.plan import Plan

# The lowest 48 bits of an id are the number of the event in its run; $3 is when the first request
# was due (µs since the epoch), $4 events a request, $5 µs from one event to the next.
_TIMES = """
with numbered as (
    select ('x' || right(event_id::text, 12))::bit(48)::bigint as number,
           extract(epoch from stored_at)::float8 * 1e6 as stored_us,
           extract(epoch from received_at)::float8 * 1e6 as received_us
    from event
    where event_id between $1::uuid and $2::uuid
), waited as (
    select stored_us,
           (stored_us - $3::float8 - number / $4::bigint * $4::bigint * $5::float8) / 1e3 as due_ms,
           (stored_us - received_us) / 1e3 as door_ms
    from numbered
    where stored_us < $6::float8
)
select count(*) as events,
       percentile_disc(array[0.5, 0.99]::float8[]) within group (order by due_ms) as due_ms,
       percentile_disc(array[0.5, 0.99]::float8[]) within group (order by door_ms) as door_ms
from waited
"""

_STORED = """
select count(*) from event
where event_id between $1::uuid and $2::uuid
  and stored_at >= to_timestamp($3::float8) and stored_at < to_timestamp($4::float8)
"""


@dataclass(frozen=True, slots=True)
class Part:
    """The events of a plan from one number on, as far as they are stored before a moment."""

    plan: Plan
    began_s: float
    first_event: int
    until_s: float = math.inf


@dataclass(frozen=True, slots=True)
class Times:
    """What became of it."""

    events: int
    from_due: Latency
    from_door: Latency


async def times(connection: Connection, part: Part) -> Times | None:
    """Sum up the rows of a part of a run; `None` if there is none."""
    plan = part.plan
    row = await connection.fetchrow(
        _TIMES,
        *(plan.event_id(part.first_event), plan.event_id(plan.events - 1)),
        *(part.began_s * 1e6, plan.batch, 1e6 / plan.rate_events_per_s, part.until_s * 1e6),
    )
    assert row is not None
    if not row["events"]:
        return None
    return Times(row["events"], Latency(*row["due_ms"]), Latency(*row["door_ms"]))


async def stored(connection: Connection, plan: Plan, window: Window) -> int:
    """Count the events of a run that were stored within a window, whenever they were due."""
    ids = plan.event_id(0), plan.event_id(plan.events - 1)
    return await connection.fetchval(_STORED, *ids, window.first_s, window.last_s)
