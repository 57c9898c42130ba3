"""A broker with one fresh topic, in memory or a real one, and what is kept of its positions."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

import pytest

from libs import kafka
from libs.errors import Unavailable
from libs.kafka import Consumer, KafkaSettings, Outgoing, Partition, Positions, Producer, Record
from libs.kafka.admin import admin
from libs.kafka.memory import MemoryBroker

PARTITIONS = 4
SETTLE_LIMIT_S = 15.0
# The first test that needs the stack brings it up, and on an empty machine builds it.
NEEDS_STACK = [pytest.mark.stack, pytest.mark.timeout(1_900)]


class Join(Protocol):
    """Makes a member of a group."""

    def __call__(
        self, group: str, positions: Positions | None = None
    ) -> AbstractAsyncContextManager[Consumer]: ...


@dataclass
class Kept:
    """Positions kept in memory; the journal tells in order what was asked."""

    offsets: dict[int, int] = field(default_factory=dict[int, int])
    claim_delay_s: float = 0.0
    failures_left: int = 0
    lost: set[int] = field(default_factory=set[int])
    journal: list[tuple[str, int, int]] = field(default_factory=list[tuple[str, int, int]])

    async def claim(self, partition: Partition, beginning: int) -> int:
        """Begin where it was left."""
        await asyncio.sleep(self.claim_delay_s)
        if self.failures_left:
            self.failures_left -= 1
            raise Unavailable("the store is away")
        self.lost.discard(partition.number)
        offset = self.offsets.setdefault(partition.number, beginning)
        self.journal.append(("claim", partition.number, offset))
        return offset

    async def move(self, partition: Partition, offset: int) -> None:
        """Begin elsewhere."""
        self.offsets[partition.number] = offset

    def holds(self, partition: Partition) -> bool:
        """Whether a test has not said that it is lost."""
        return partition.number not in self.lost


@dataclass
class Broker:
    """A broker with one fresh topic."""

    topic: str
    producer: Producer
    join: Join

    async def write(self, *values: bytes, partition: int = 0) -> list[kafka.Ack]:
        waits = [await self.producer.send(self.outgoing(v, partition)) for v in values]
        return [await wait for wait in waits]

    def outgoing(self, value: bytes, partition: int) -> Outgoing:
        return Outgoing(self.topic, partition, value, [("traceparent", b"x")], key=b"k")


@asynccontextmanager
async def in_memory() -> AsyncGenerator[Broker]:
    broker = MemoryBroker(partitions=PARTITIONS)
    async with broker.producer() as producer:

        def join(
            group: str, positions: Positions | None = None
        ) -> AbstractAsyncContextManager[Consumer]:
            return broker.consumer("t", group=group, positions=positions)

        yield Broker("t", producer, join)


@asynccontextmanager
async def in_kafka(bootstrap_servers: str, **others: object) -> AsyncGenerator[Broker]:
    settings = KafkaSettings.model_validate({"bootstrap_servers": bootstrap_servers, **others})
    topic = f"contract.{uuid.uuid4().hex}"
    async with admin(bootstrap_servers) as kafka_admin:
        await kafka_admin.create_topics([topic], partitions=PARTITIONS)
    joined = 0

    def join(
        group: str, positions: Positions | None = None
    ) -> AbstractAsyncContextManager[Consumer]:
        nonlocal joined
        joined += 1
        return kafka.consumer(
            settings,
            topic,
            group=f"{topic}.{group}",
            client_id=f"contract-{joined}",
            poll_records_max=500,
            positions=positions,
        )

    async with kafka.producer(settings, "contract") as producer:
        yield Broker(topic, producer, join)


async def read(consumer: Consumer, count: int) -> list[Record]:
    """Poll until `count` records came."""
    records: list[Record] = []
    async with asyncio.timeout(SETTLE_LIMIT_S):
        while len(records) < count:
            records += await consumer.poll()
    return records
