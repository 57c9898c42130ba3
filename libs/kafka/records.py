"""What Kafka carries, and the two protocols the rest of the project speaks to it with."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple, Protocol

Headers = list[tuple[str, bytes]]


class Partition(NamedTuple):
    """One partition of one topic."""

    topic: str
    number: int


@dataclass(slots=True)
class Record:
    """One record as a consumer reads it; times are µs since the epoch, 0 if not known.

    `asked_us` and `fetched_us` are of the fetch that brought it. What was in the log before this
    member had the partition `may_be_redelivered`.
    """

    topic: str
    partition: int
    offset: int
    appended_us: int
    polled_us: int
    lag_records: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    asked_us: int = 0
    fetched_us: int = 0
    may_be_redelivered: bool = False


@dataclass(slots=True)
class Outgoing:
    """One record to be written; the partition is the writer's choice, always."""

    topic: str
    partition: int
    value: bytes | None
    headers: Headers
    key: bytes | None = None


@dataclass(slots=True)
class Ack:
    """Where a record was written, when the log took it and when we heard of it (µs).

    Before that it was handed to the client, and left the client's buffer; 0 if not known.
    """

    topic: str
    partition: int
    offset: int
    appended_us: int
    acked_us: int
    handed_us: int = 0
    drained_us: int = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """How far a member is in one partition; two of them tell whether it moves. -1: not known yet.

    `fetched_ms` is when a fetch was last answered, by a clock that may be set.
    """

    fetched_ms: int
    position: int
    end: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a member of a group has come, in each partition that it has and may read from.

    `has_joined` is false while the group's partitions move; `away_s` is how long ago the last poll
    ended, 0 while one is under way.
    """

    has_joined: bool
    away_s: float
    readings: Mapping[Partition, Reading]


class Producer(Protocol):
    """Writes records durably: an ack means that every in-sync replica has the record."""

    async def send(self, record: Outgoing) -> asyncio.Future[Ack]:
        """Hand a record over; records handed over in turn keep their order in a partition.

        Waits only for room in the buffer, and raises `NotSent` if there is none in time. The
        future raises `Unavailable` when no ack came in time (the record may or may not be in the
        log) and `Rejected` when the broker refused it. A topic with fewer partitions than the
        writer counts on takes the record all the same.
        """
        ...

    def check(self) -> None:
        """Raise `Unavailable` if nothing can be sent now, or acks do not come."""
        ...


class Gap(Exception):
    """The log no longer holds what is to be read next, or never did; says how much is missing."""


class Unreadable(Exception):
    """The log holds something that the client cannot read; nothing behind it is read."""


class Positions(Protocol):
    """Keeps where each partition is read on, where a reader's store keeps it with its rows."""

    async def claim(self, partition: Partition, beginning: int) -> int:
        """Become the owner of a partition, and return the next offset to read.

        That is `beginning` if nothing is kept of the partition. Raises `Unavailable`.
        """
        ...

    async def move(self, partition: Partition, offset: int) -> None:
        """Keep another next offset of a partition that is held. Raises `Unavailable`."""
        ...

    def holds(self, partition: Partition) -> bool:
        """Whether the claim stands, as far as is known; it is made again if it does not."""
        ...


class Consumer(Protocol):
    """Reads one topic as a member of a group; nothing is committed behind the caller's back."""

    async def poll(self) -> list[Record]:
        """Wait a moment for records: of the partitions in turn, offsets ascending, maybe none.

        Raises `Gap` or `Unreadable` where going on would skip a record in silence.
        """
        ...

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Store the next offset to read per partition; partitions lost meanwhile are left out.

        What the group's coordinator does not take in time is owed, and goes with the next commit;
        one without offsets pays what is owed.
        """
        ...

    def working(self) -> AbstractAsyncContextManager[None]:
        """Make a rebalance wait (for a bounded time) until the work on polled records is done."""
        ...

    @property
    def progress(self) -> Progress:
        """Look how far it has come; asks nobody."""
        ...

    async def ask(self) -> None:
        """Ask those brokers that it depends on. Raises `Unavailable` if they do not answer."""
        ...


def in_turns(by_partition: Iterable[Sequence[Record]]) -> list[Record]:
    """Take one record of each partition after the other.

    What is sent for them then fills a batch of each partition, which one request carries, and not
    one batch after the other.
    """
    rounds = zip_longest(*by_partition)
    return [record for each in rounds for record in each if record is not None]


def next_offsets(records: Iterable[Record]) -> dict[Partition, int]:
    """The offsets to commit once all of `records` are done."""
    return {Partition(record.topic, record.partition): record.offset + 1 for record in records}
