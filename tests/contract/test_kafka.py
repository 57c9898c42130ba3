"""One behaviour, two brokers: what the in-memory twin promises, the real Kafka does."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

import pytest

from libs import kafka
from libs.clock import now_us
from libs.errors import Rejected, Unavailable
from libs.kafka import (
    Consumer,
    KafkaSettings,
    Outgoing,
    Partition,
    Positions,
    Producer,
    Record,
    next_offsets,
)
from libs.kafka.admin import admin
from libs.kafka.memory import MemoryBroker
from tests.stack import Stack

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
    before_us = now_us()
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


async def test_positions_kept_elsewhere_say_where_to_read(broker: Broker) -> None:
    await broker.write(b"a", b"b", b"c")
    async with broker.join("g") as consumer:
        await consumer.commit(next_offsets(await read(consumer, 3)))

    async with broker.join("g", Kept({0: 1})) as consumer:
        assert [record.value for record in await read(consumer, 2)] == [b"b", b"c"]


async def test_where_no_position_is_kept_yet_the_groups_is_where_to_begin(broker: Broker) -> None:
    await broker.write(b"a", b"b", b"c")
    async with broker.join("g") as consumer:
        await consumer.commit(next_offsets((await read(consumer, 3))[:2]))
    kept = Kept()

    async with broker.join("g", kept) as consumer:
        assert [record.value for record in await read(consumer, 1)] == [b"c"]
    assert kept.offsets == {0: 2, 1: 0, 2: 0, 3: 0}


async def test_a_partition_that_is_not_held_any_more_is_claimed_again(broker: Broker) -> None:
    await broker.write(b"a", b"b")
    await broker.write(b"z", partition=1)
    kept = Kept()
    async with broker.join("g", kept) as consumer:
        records = await read(consumer, 3)
        kept.lost.add(0)
        kept.offsets[0] = 1
        await consumer.commit(next_offsets(records))

        again = await read(consumer, 1)

    assert [(record.partition, record.value) for record in again] == [(0, b"b")]
    assert [claim for claim in kept.journal if claim[1] == 0] == [("claim", 0, 0), ("claim", 0, 1)]


async def test_a_claim_that_fails_is_made_again_and_nothing_comes_before(broker: Broker) -> None:
    await broker.write(b"a", b"b", b"c")
    kept = Kept({0: 1}, failures_left=3)

    async with broker.join("g", kept) as consumer:
        records = await read(consumer, 2)

    assert kept.failures_left == 0
    assert [record.value for record in records] == [b"b", b"c"]


async def test_what_the_group_commits_follows_positions_kept_elsewhere(broker: Broker) -> None:
    await broker.write(b"a", b"b")
    async with broker.join("g", Kept()) as consumer:
        records = await read(consumer, 2)
        await consumer.commit(next_offsets(records[:1]))
        await consumer.commit(next_offsets(records))

    async with broker.join("g") as consumer:
        await broker.write(b"c")
        assert [record.value for record in await read(consumer, 1)] == [b"c"]


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


@pytest.mark.stack
@pytest.mark.timeout(1_900)
@pytest.mark.parametrize(("fetch_min_bytes", "waits"), [(1, False), (500_000, True)])
async def test_a_broker_collects_for_a_fetch_as_long_as_it_may(
    stack: Stack, fetch_min_bytes: int, *, waits: bool
) -> None:
    servers, wait_s = stack.kafka_bootstrap_servers, 1.5
    settings = {"fetch_min_bytes": fetch_min_bytes, "fetch_max_wait_ms": round(wait_s * 1_000)}
    async with in_kafka(servers, **settings) as broker:
        await broker.write(b"a")
        async with broker.join("g", Kept()) as consumer:
            (record,) = await read(consumer, 1)

    fetched_s = (record.fetched_us - record.asked_us) / 1e6
    assert (fetched_s >= 0.9 * wait_s) == waits
