"""Who may write what comes from a partition: an owner epoch and a next offset, kept in the store.

A claim raises the epoch. Each transaction moves the next offset from where the one before it left
it, under that epoch: what is read twice, skipped, or written by an owner of before, moves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import asyncpg

from libs.kafka import Partition

# Waits for an owner that is just committing.
_CLAIM = """
insert into sink_offset as kept (topic, part, next_offset, owner_epoch, owner)
values ($1, $2, $3, 1, $4)
on conflict (topic, part) do update set owner_epoch = kept.owner_epoch + 1, owner = excluded.owner
returning owner_epoch, next_offset
"""

# Locked in order, so that two who hold claims to the same partitions cannot wait in a circle.
_MOVE = """
with claimed as (
    select kept.topic, kept.part, moved.ending
    from unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[])
        as moved(topic, part, epoch, beginning, ending)
    join sink_offset kept on kept.topic = moved.topic and kept.part = moved.part
    where kept.owner_epoch = moved.epoch and kept.next_offset = moved.beginning
    order by kept.topic, kept.part
    for update of kept
)
update sink_offset kept set next_offset = claimed.ending
from claimed where kept.topic = claimed.topic and kept.part = claimed.part
returning kept.topic, kept.part
"""

_READ_BACK = """
select kept.topic, kept.part
from unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[])
    as moved(topic, part, epoch, ending)
join sink_offset kept on kept.topic = moved.topic and kept.part = moved.part
where kept.owner_epoch = moved.epoch and kept.next_offset = moved.ending
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to write what comes from a partition from `next_offset` on."""

    epoch: int
    next_offset: int


@dataclass(frozen=True, slots=True)
class Move:
    """A partition, the claim to it, and the next offset after what is written."""

    partition: Partition
    claim: Claim
    end: int


class Fenced(Exception):
    """Somebody else has claimed these partitions; nothing was written."""

    def __init__(self, partitions: frozenset[Partition]) -> None:
        super().__init__(f"claimed by somebody else: {sorted(partitions)}")
        self.partitions = partitions


async def take(
    connection: asyncpg.Connection[asyncpg.Record],
    partition: Partition,
    beginning: int,
    owner: str,
) -> Claim:
    """Claim a partition; it begins at `beginning` if nothing was written from it before."""
    row = await connection.fetchrow(_CLAIM, *partition, beginning, owner)
    assert row is not None, "an upsert returns its row"
    return Claim(row["owner_epoch"], row["next_offset"])


def moves(held: Mapping[Partition, Claim], ends: Mapping[Partition, int]) -> list[Move]:
    """Make the moves of a transaction. Raises `Fenced` for what is not held."""
    if lost := ends.keys() - held.keys():
        raise Fenced(frozenset(lost))
    return [Move(partition, held[partition], end) for partition, end in ends.items()]


async def move(connection: asyncpg.Connection[asyncpg.Record], made: list[Move]) -> None:
    """Move on, within the transaction that writes. Raises `Fenced` for what has been claimed."""
    if not made:
        return
    epochs = [one.claim.epoch for one in made]
    begins, ends = [one.claim.next_offset for one in made], [one.end for one in made]
    moved = _partitions(await connection.fetch(_MOVE, *_columns(made), epochs, begins, ends))
    if lost := {one.partition for one in made} - moved:
        raise Fenced(frozenset(lost))


async def were_made(connection: asyncpg.Connection[asyncpg.Record], made: list[Move]) -> bool:
    """Whether the transaction that made these moves is committed.

    One that stands proves it; with another owner since, on all of them, nobody can tell.
    """
    epochs, ends = [one.claim.epoch for one in made], [one.end for one in made]
    return bool(await connection.fetch(_READ_BACK, *_columns(made), epochs, ends))


def _columns(made: list[Move]) -> tuple[list[str], list[int]]:
    return [one.partition.topic for one in made], [one.partition.number for one in made]


def _partitions(rows: Iterable[asyncpg.Record]) -> set[Partition]:
    return {Partition(row["topic"], row["part"]) for row in rows}
