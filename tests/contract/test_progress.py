"""How far a reader is, and whether what a stage depends on answers, as the real parts tell it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import asyncpg
import pytest

from libs import kafka, postgres
from libs.errors import Unavailable
from libs.kafka import KafkaSettings, Outgoing, Partition
from tests.contract.retries import tries
from tests.contract.test_kafka import (
    NEEDS_STACK,
    PARTITIONS,
    SETTLE_LIMIT_S,
    Broker,
    in_kafka,
    in_memory,
    read,
)
from tests.mock_kafka import mock_kafka
from tests.stack import Stack

NOWHERE = KafkaSettings(bootstrap_servers="127.0.0.1:1", request_timeout_ms=1_000)


@pytest.fixture(params=["memory", pytest.param("kafka", marks=NEEDS_STACK)])
async def broker(request: pytest.FixtureRequest) -> AsyncGenerator[Broker]:
    if request.param == "memory":
        async with in_memory() as made:
            yield made
    else:
        servers = request.getfixturevalue("stack").kafka_bootstrap_servers
        async with in_kafka(servers) as made:
            yield made


async def test_progress_tells_what_was_read_of_each_partition(broker: Broker) -> None:
    await broker.write(b"a", b"b", partition=2)
    async with broker.join("g") as consumer:
        await read(consumer, 2)
        before = consumer.progress
        await broker.write(b"c", partition=2)
        await read(consumer, 1)
        after = consumer.progress

    place = Partition(broker.topic, 2)
    assert before.has_joined
    assert set(before.readings) == {Partition(broker.topic, n) for n in range(PARTITIONS)}
    assert (before.readings[place].position, before.readings[place].end) == (2, 2)
    assert (after.readings[place].position, after.readings[place].end) == (3, 3)
    assert after.readings[place].fetched_ms >= before.readings[place].fetched_ms > 0
    assert 0 <= after.away_s < 1


async def test_a_broker_that_is_there_answers_a_member(broker: Broker) -> None:
    async with broker.join("g") as consumer:
        await consumer.ask()


async def test_a_kafka_that_is_nowhere_does_not_answer() -> None:
    async with kafka.probing(NOWHERE, "test") as ask:
        for _ in range(2):
            with pytest.raises(Unavailable, match="Kafka does not answer"):
                await ask()


async def test_a_stage_that_starts_without_a_kafka_waits_for_it() -> None:
    with mock_kafka() as mock:
        chosen = KafkaSettings(bootstrap_servers=mock.bootstrap_servers, start_patience_s=60)
        mock.down()
        starting = asyncio.create_task(write_and_read(chosen, mock.topic))
        with tries() as trial:
            await asyncio.wait_for(trial.wait(), SETTLE_LIMIT_S)
        assert not starting.done()
        mock.up()

        assert await asyncio.wait_for(starting, SETTLE_LIMIT_S) == b"a"


async def write_and_read(chosen: KafkaSettings, topic: str) -> bytes | None:
    """Start what a hop starts, in its order."""
    async with (
        kafka.producer(chosen, "t") as producer,
        kafka.consumer(chosen, topic, group="g", client_id="t", poll_records_max=1) as consumer,
    ):
        await (await producer.send(Outgoing(topic, 0, b"a", [])))
        (record,) = await read(consumer, 1)
        return record.value


async def test_a_start_without_a_kafka_is_tried_for_no_longer_than_its_patience() -> None:
    patient = NOWHERE.model_copy(update={"start_patience_s": 0.5})
    for chosen in (NOWHERE, patient):
        async with asyncio.timeout(SETTLE_LIMIT_S):
            with pytest.raises(Unavailable, match="no Kafka answers"):
                await write_and_read(chosen, "t")


async def test_a_database_that_is_nowhere_does_not_answer() -> None:
    async with postgres.probing("postgresql://x@127.0.0.1:1/x?sslmode=disable", "test") as ask:
        for _ in range(2):
            with pytest.raises(Unavailable, match="Connect"):
                await ask()


@pytest.mark.stack
@pytest.mark.timeout(1_900)
async def test_a_database_answers_again_on_a_new_connection(stack: Stack) -> None:
    url = stack.values["DATABASE_URL"]
    async with postgres.probing(url, "test") as ask:
        await ask()
        other = await asyncpg.connect(url)
        ended = await other.fetch(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name = 'test-probe'"
        )
        await other.close()
        with pytest.raises(Unavailable):
            await ask()
        await ask()

    assert len(ended) == 1


@pytest.mark.stack
@pytest.mark.timeout(1_900)
async def test_a_kafka_that_is_there_answers_a_probe(stack: Stack) -> None:
    settings = KafkaSettings(bootstrap_servers=stack.kafka_bootstrap_servers)
    async with kafka.probing(settings, "test") as ask:
        await ask()
