"""A hop on a real Kafka whose dead-letter topic is not there, or not there yet."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from libs import kafka, stage
from libs.errors import Unavailable
from libs.events import NormalBatch, Outcome, RawBatch, decode
from libs.kafka import KafkaSettings, Outgoing, Partition, Record, tail
from libs.kafka.admin import admin
from libs.stage import retry
from tests.emitted import Emitted
from tests.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1_900)]

SETTLE_LIMIT_S = 30.0


@dataclass
class Hop:
    """A running hop that can read nothing; `committed` is what it has told Kafka."""

    topic: str
    loop: asyncio.Task[None]
    committed: dict[Partition, int]


async def refuse(batch: RawBatch) -> Outcome[NormalBatch]:
    raise AssertionError("no record of these tests can be read")


def decode_raw(record: Record) -> RawBatch:
    return decode(RawBatch, record.value)


@asynccontextmanager
async def running(servers: str) -> AsyncGenerator[Hop]:
    """Run a hop over a fresh topic with three records; there is no topic for its dead letters."""
    # Each try to learn of the missing topic takes this long.
    settings = KafkaSettings(bootstrap_servers=servers, request_timeout_ms=1_000)
    topic = f"contract.{uuid.uuid4().hex}"
    async with admin(servers) as kafka_admin:
        await kafka_admin.create_topics([topic], partitions=1)
    replica = stage.Replica(f"{topic}.hop", 0)
    async with (
        kafka.producer(settings, "contract") as producer,
        kafka.consumer(
            settings, topic, group=replica.stage, client_id="contract", poll_records_max=500
        ) as consumer,
    ):
        for number in range(3):
            await (await producer.send(Outgoing(topic, 0, f"broken {number}".encode(), [])))
        committed: dict[Partition, int] = {}
        commit = consumer.commit

        async def noting(offsets: Mapping[Partition, int]) -> None:
            await commit(offsets)
            committed.update(offsets)

        consumer.commit = noting
        hop = stage.Transform(writes="nowhere", decode=decode_raw, handle=refuse)
        work = stage.forward(hop, replica, producer, Emitted())
        loop = asyncio.create_task(stage.run(consumer, work, asyncio.Event()))
        try:
            yield Hop(topic, loop, committed)
        finally:
            loop.cancel()
            await asyncio.wait([loop])


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SETTLE_LIMIT_S):
        while not holds():  # noqa: ASYNC110  (the task that commits tells nobody)
            await asyncio.sleep(0.05)


async def test_records_wait_for_the_topic_of_their_dead_letters_and_none_is_skipped(
    stack: Stack,
) -> None:
    servers = stack.kafka_bootstrap_servers
    async with running(servers) as hop:
        await asyncio.sleep(3)
        assert (hop.loop.done(), hop.committed) == (False, {})
        async with admin(servers) as kafka_admin:
            await kafka_admin.create_topics([f"{hop.topic}.dlq"], partitions=1)

        await until(lambda: hop.committed == {Partition(hop.topic, 0): 3})

        letters = await tail.newest(servers, f"{hop.topic}.dlq", 10)
    assert [letter.value for letter in letters] == [b"broken 0", b"broken 1", b"broken 2"]


async def test_past_the_budget_the_stage_stops_with_nothing_committed(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "RETRY_BUDGET_S", 2.0)
    async with running(stack.kafka_bootstrap_servers) as hop:
        with pytest.raises(Unavailable):
            await asyncio.wait_for(hop.loop, SETTLE_LIMIT_S)

        assert hop.committed == {}
