"""One behaviour, two brokers: what the in-memory twin promises, the real Kafka does."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import pytest

from libs import kafka
from libs.errors import Rejected, Unavailable
from libs.kafka import Consumer, KafkaSettings, Outgoing, Partition, Producer, Record, next_offsets
from libs.kafka.admin import admin
from libs.kafka.memory import MemoryBroker
from tests.stack import Stack

PARTITIONS = 4
SETTLE_LIMIT_S = 15.0
# The first test that needs the stack brings it up, and on an empty machine builds it.
NEEDS_STACK = [pytest.mark.stack, pytest.mark.timeout(1_900)]


@dataclass
class Broker:
    """A broker with one fresh topic."""

    topic: str
    producer: Producer
    join: Callable[[str], AbstractAsyncContextManager[Consumer]]

    async def write(self, *values: bytes, partition: int = 0) -> list[kafka.Ack]:
        waits = [await self.producer.send(self.outgoing(v, partition)) for v in values]
        return [await wait for wait in waits]

    def outgoing(self, value: bytes, partition: int) -> Outgoing:
        return Outgoing(self.topic, partition, value, [("traceparent", b"x")], key=b"k")


@asynccontextmanager
async def in_memory() -> AsyncGenerator[Broker]:
    broker = MemoryBroker(partitions=PARTITIONS)
    async with broker.producer() as producer:
        yield Broker("t", producer, lambda group: broker.consumer("t", group=group))


@asynccontextmanager
async def in_kafka(bootstrap_servers: str) -> AsyncGenerator[Broker]:
    settings = KafkaSettings(bootstrap_servers=bootstrap_servers)
    topic = f"contract.{uuid.uuid4().hex}"
    async with admin(bootstrap_servers) as kafka_admin:
        await kafka_admin.create_topics([topic], partitions=PARTITIONS)
    joined = 0

    def join(group: str) -> AbstractAsyncContextManager[Consumer]:
        nonlocal joined
        joined += 1
        return kafka.consumer(
            settings,
            topic,
            group=f"{topic}.{group}",
            client_id=f"contract-{joined}",
            poll_records_max=500,
        )

    async with kafka.producer(settings, "contract") as producer:
        yield Broker(topic, producer, join)


@pytest.fixture(params=["memory", pytest.param("kafka", marks=NEEDS_STACK)])
async def broker(request: pytest.FixtureRequest) -> AsyncGenerator[Broker]:
    if request.param == "memory":
        async with in_memory() as made:
            yield made
    else:
        servers = request.getfixturevalue("stack").kafka_bootstrap_servers
        async with in_kafka(servers) as made:
            yield made


async def read(consumer: Consumer, count: int) -> list[Record]:
    """Poll until `count` records came."""
    records: list[Record] = []
    async with asyncio.timeout(SETTLE_LIMIT_S):
        while len(records) < count:
            records += await consumer.poll()
    return records


async def test_what_is_acknowledged_is_read_as_it_was_written(broker: Broker) -> None:
    (ack,) = await broker.write(b"hello", partition=2)

    async with broker.join("g") as consumer:
        (record,) = await read(consumer, 1)
    assert (ack.partition, ack.offset) == (2, 0)
    assert (record.topic, record.partition, record.offset) == (broker.topic, 2, 0)
    assert (record.key, record.value) == (b"k", b"hello")
    assert record.headers == [("traceparent", b"x")]
    assert record.lag_records == 0


async def test_times_are_the_logs_own_and_in_order(broker: Broker) -> None:
    before_us = time.time_ns() // 1000
    (ack,) = await broker.write(b"hello")

    async with broker.join("g") as consumer:
        (record,) = await read(consumer, 1)
    assert ack.appended_us == record.appended_us
    assert before_us - 1_000 <= record.appended_us <= ack.acked_us <= record.polled_us + 1_000


async def test_records_keep_their_order_in_a_partition(broker: Broker) -> None:
    values = [f"{n}".encode() for n in range(200)]
    acks = await broker.write(*values, partition=1)

    async with broker.join("g") as consumer:
        records = await read(consumer, 200)
    assert [record.value for record in records] == values
    assert [ack.offset for ack in acks] == list(range(200))


async def test_a_new_group_starts_at_the_first_record(broker: Broker) -> None:
    await broker.write(b"old")

    async with broker.join("late") as consumer:
        assert [record.value for record in await read(consumer, 1)] == [b"old"]


async def test_what_is_committed_is_not_read_again_and_what_is_not_is(broker: Broker) -> None:
    await broker.write(b"a", b"b")
    async with broker.join("g") as consumer:
        records = await read(consumer, 2)
        await consumer.commit(next_offsets(records[:1]))

    async with broker.join("g") as consumer:
        assert [record.value for record in await read(consumer, 1)] == [b"b"]


async def test_two_members_share_the_partitions(broker: Broker) -> None:
    async with broker.join("g") as one, broker.join("g") as other:
        seen: dict[int, set[int]] = {0: set(), 1: set()}
        async with asyncio.timeout(SETTLE_LIMIT_S):
            # Spreading takes a moment, and until then one member may hold all of them.
            while not (seen[0] and seen[1] and len(seen[0] | seen[1]) == PARTITIONS):
                for partition in range(PARTITIONS):
                    await broker.write(b"x", partition=partition)
                for place, member in enumerate((one, other)):
                    async with member.working():
                        records = await member.poll()
                        await member.commit(next_offsets(records))
                        seen[place] |= {record.partition for record in records}


async def test_a_commit_for_a_partition_that_is_not_ours_is_left_out(broker: Broker) -> None:
    await broker.write(b"a")
    async with broker.join("g") as consumer:
        await read(consumer, 1)

        await consumer.commit({Partition("elsewhere", 0): 1})

    async with broker.join("g") as consumer:
        assert [record.value for record in await read(consumer, 1)] == [b"a"]


async def test_an_idle_poll_comes_back_empty(broker: Broker) -> None:
    async with broker.join("g") as consumer, asyncio.timeout(SETTLE_LIMIT_S):
        assert await consumer.poll() == []


async def test_a_record_above_the_limit_is_refused_and_the_producer_lives_on(
    broker: Broker,
) -> None:
    with pytest.raises(Rejected):
        await broker.write(b"x" * 2_000_000)

    (ack,) = await broker.write(b"small")
    assert ack.offset == 0


async def test_a_partition_that_the_topic_does_not_have_is_one_that_it_has(broker: Broker) -> None:
    (ack,) = await broker.write(b"hello", partition=PARTITIONS + 1)

    assert ack.partition == 1


async def test_a_late_producer_says_unavailable_until_there_is_a_kafka() -> None:
    nowhere = KafkaSettings(bootstrap_servers="127.0.0.1:1")
    async with kafka.late_producer(nowhere, "late", asyncio.Event()) as producer:
        with pytest.raises(Unavailable, match="has not answered yet"):
            producer.check()
        with pytest.raises(Unavailable):
            await producer.send(Outgoing("t", 0, b"x", []))


@pytest.mark.stack
@pytest.mark.timeout(1_900)
async def test_a_late_producer_arrives(stack: Stack) -> None:
    settings = KafkaSettings(bootstrap_servers=stack.kafka_bootstrap_servers)
    async with kafka.late_producer(settings, "late", asyncio.Event()) as producer:
        async with asyncio.timeout(SETTLE_LIMIT_S):
            while True:
                try:
                    producer.check()
                except Unavailable:
                    await asyncio.sleep(0.05)
                else:
                    break
