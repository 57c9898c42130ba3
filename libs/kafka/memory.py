"""The in-memory twin of Kafka: same protocols, one process, held to the real one by a test."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from libs.clock import now_us
from libs.errors import Rejected, Unavailable
from libs.kafka.records import (
    Ack,
    Consumer,
    Outgoing,
    Partition,
    Positions,
    Producer,
    Progress,
    Reading,
    Record,
    in_turns,
)

_POLL_TIMEOUT_S = 0.05


@dataclass
class MemoryBroker:
    """Topics as lists; while it `is_away` nothing can be sent."""

    partitions: int = 12
    is_away: bool = False
    record_bytes_max: int = 1_000_000
    log: dict[Partition, list[Record]] = field(default_factory=lambda: defaultdict(list))
    committed: dict[tuple[str, Partition], int] = field(
        default_factory=dict[tuple[str, Partition], int]
    )
    written: asyncio.Event = field(default_factory=asyncio.Event)
    _members: dict[str, list[_MemoryConsumer]] = field(default_factory=lambda: defaultdict(list))

    def records(self, topic: str) -> list[Record]:
        """Every record of a topic: partition by partition, offsets ascending."""
        numbers = range(self.partitions)
        return [record for number in numbers for record in self.log[Partition(topic, number)]]

    @asynccontextmanager
    async def producer(self) -> AsyncGenerator[Producer]:
        """Yield a producer; its acks come at once."""
        yield _MemoryProducer(self)

    @asynccontextmanager
    async def consumer(
        self,
        topic: str,
        *,
        group: str,
        poll_records_max: int = 500,
        positions: Positions | None = None,
    ) -> AsyncGenerator[Consumer]:
        """Yield a member of `group`; joining and leaving spread the partitions anew."""
        member = _MemoryConsumer(self, group, poll_records_max, positions)
        members = self._members[group]
        members.append(member)
        await self._rebalance(topic, members)
        try:
            yield member
        finally:
            members.remove(member)
            await self._rebalance(topic, members)

    async def _rebalance(self, topic: str, members: list[_MemoryConsumer]) -> None:
        for index, member in enumerate(members):
            async with member.working():
                numbers = range(index, self.partitions, len(members))
                member.assign([Partition(topic, number) for number in numbers])

    def append(self, record: Outgoing) -> Ack:
        """Write one record at the end of its partition."""
        number = record.partition % self.partitions
        log = self.log[Partition(record.topic, number)]
        written_us = now_us()
        stored = Record(
            topic=record.topic,
            partition=number,
            offset=len(log),
            # Kafka's clock has milliseconds.
            appended_us=written_us // 1000 * 1000,
            polled_us=0,
            lag_records=0,
            key=record.key,
            value=record.value,
            headers=list(record.headers),
        )
        log.append(stored)
        # Wake those who wait now; the next to wait waits for the next record.
        self.written.set()
        self.written = asyncio.Event()
        return Ack(record.topic, number, stored.offset, stored.appended_us, written_us, written_us)


class _MemoryProducer:
    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    def check(self) -> None:
        """Nothing is known against it, as with Kafka's own."""

    async def send(self, record: Outgoing) -> asyncio.Future[Ack]:
        assert record.key is not None or record.value is not None, "as Kafka's client has it"
        if _size_bytes(record) > self._broker.record_bytes_max:
            raise Rejected(f"the record is too large for {record.topic}")
        acked: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        if self._broker.is_away:
            acked.set_exception(Unavailable("the in-memory broker is away"))
        else:
            acked.set_result(self._broker.append(record))
        return acked


def _size_bytes(record: Outgoing) -> int:
    headers = sum(len(name.encode()) + len(value) for name, value in record.headers)
    return len(record.value or b"") + len(record.key or b"") + headers


class _MemoryConsumer:
    def __init__(
        self,
        broker: MemoryBroker,
        group: str,
        poll_records_max: int,
        positions: Positions | None,
    ) -> None:
        self._broker = broker
        self._group = group
        self._poll_records_max = poll_records_max
        self._kept = positions
        self._assigned: list[Partition] = []
        # The next offset of each partition that is claimed.
        self._positions: dict[Partition, int] = {}
        self._work = asyncio.Lock()
        self._polled_s = time.monotonic()

    def assign(self, partitions: list[Partition]) -> None:
        """Read these partitions, each once it is claimed."""
        self._assigned = partitions
        self._positions.clear()

    async def poll(self) -> list[Record]:
        written = self._broker.written
        await self._claim()
        records = self._take()
        if not records:
            with suppress(TimeoutError):
                await asyncio.wait_for(written.wait(), _POLL_TIMEOUT_S)
            records = self._take()
        self._polled_s = time.monotonic()
        return records

    async def _claim(self) -> None:
        for partition in self._assigned:
            if partition in self._positions and self._holds(partition):
                continue
            self._positions.pop(partition, None)
            offset = self._broker.committed.get((self._group, partition), 0)
            if self._kept is not None:
                try:
                    offset = await self._kept.claim(partition, offset)
                except Unavailable:
                    continue
            if partition in self._assigned:
                self._positions[partition] = offset

    def _holds(self, partition: Partition) -> bool:
        return self._kept is None or self._kept.holds(partition)

    def _take(self) -> list[Record]:
        by_partition: list[list[Record]] = []
        room = self._poll_records_max
        for partition, position in self._positions.items():
            log = self._broker.log[partition]
            taken = log[position : position + room]
            room -= len(taken)
            self._positions[partition] = position + len(taken)
            for record in taken:
                record.polled_us = now_us()
                record.lag_records = len(log) - record.offset - 1
            by_partition.append(taken)
        return in_turns(by_partition)

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        for partition, offset in offsets.items():
            if partition in self._assigned and self._holds(partition):
                self._broker.committed[self._group, partition] = offset

    @asynccontextmanager
    async def working(self) -> AsyncGenerator[None]:
        async with self._work:
            yield

    @property
    def progress(self) -> Progress:
        now_ms = time.time_ns() // 1_000_000
        readings = {
            partition: Reading(now_ms, position, len(self._broker.log[partition]))
            for partition, position in self._positions.items()
        }
        return Progress(
            has_joined=True, away_s=time.monotonic() - self._polled_s, readings=readings
        )

    async def ask(self) -> None:
        if self._broker.is_away:
            raise Unavailable("the in-memory broker is away")
