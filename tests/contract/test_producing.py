"""A producer and the errors of a broker: retried, sent again or raised, never silent."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, nullcontext

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, OutOfOrderSequenceNumber, for_code

from libs import kafka
from libs.errors import Rejected, Unavailable
from libs.kafka import Ack, KafkaSettings, Outgoing, Producer
from tests.mock_kafka import INIT_PRODUCER_ID, METADATA, PRODUCE, MockKafka, mock_kafka
from tests.stack import Stack

# Each code ends one way or the other within this.
ANSWER_LIMIT_S = 15.0

# What the client itself sends again for, by the API.
RETRIED_PRODUCE = (3, 5, 6, 7, 14, 15, 16, 19, 20, 56)
RETRIED_INIT = (14, 15, 16)
# What a new client is built for: what is unknown to this one (82, 87), too.
REBUILT = (2, 9, 13, 22, 25, 27, 45, 47, 48, 49, 59, 82, 87)
RAISED = (17, 29, 31, 35)
REFUSED = (10, 18, 32)
EVERY = tuple(sorted({*RETRIED_PRODUCE, *REBUILT, *RAISED, *REFUSED}))


@pytest.fixture
def mock() -> Iterator[MockKafka]:
    with mock_kafka() as made:
        yield made


def settings(bootstrap_servers: str, **others: object) -> KafkaSettings:
    chosen = {"bootstrap_servers": bootstrap_servers, "request_timeout_ms": 1_000, **others}
    return KafkaSettings.model_validate(chosen)


async def outcomes(
    producer: Producer, topic: str, *values: bytes, partition: int = 0
) -> list[Ack | BaseException]:
    """Hand all records over before the first is waited for."""
    waits = [await producer.send(Outgoing(topic, partition, value, [])) for value in values]
    async with asyncio.timeout(ANSWER_LIMIT_S):
        return await asyncio.gather(*waits, return_exceptions=True)


def kinds(found: list[Ack | BaseException]) -> list[type]:
    return [type(one) for one in found]


@pytest.mark.parametrize("code", [*RETRIED_PRODUCE, *REBUILT])
async def test_after_one_error_every_record_is_acknowledged(mock: MockKafka, code: int) -> None:
    async with kafka.producer(settings(mock.bootstrap_servers), "t") as producer:
        mock.fail(PRODUCE, code)
        found = await outcomes(producer, mock.topic, b"a", b"b", b"c")
        later = await outcomes(producer, mock.topic, b"d")

    assert kinds([*found, *later]) == [Ack] * 4


@pytest.mark.parametrize("code", RAISED)
async def test_what_no_client_can_mend_is_raised_as_it_is(mock: MockKafka, code: int) -> None:
    async with kafka.producer(settings(mock.bootstrap_servers), "t") as producer:
        mock.fail(PRODUCE, code)
        (error,) = await outcomes(producer, mock.topic, b"a")

    assert type(error) is for_code(code)


@pytest.mark.parametrize("code", REFUSED)
async def test_only_the_record_that_is_refused_alone_is_rejected(
    mock: MockKafka, code: int
) -> None:
    async with kafka.producer(settings(mock.bootstrap_servers), "t") as producer:
        # Once for the batch, and once for the first record in it.
        mock.fail(PRODUCE, code, times=2)
        found = await outcomes(producer, mock.topic, b"a", b"b", b"c")

    assert kinds(found) == [Rejected, Ack, Ack]


@pytest.mark.parametrize("code", REFUSED)
async def test_a_record_that_fills_its_batch_is_rejected_at_once(
    mock: MockKafka, code: int
) -> None:
    chosen = settings(mock.bootstrap_servers, max_batch_size=1_000)
    async with kafka.producer(chosen, "t") as producer:
        mock.fail(PRODUCE, code)
        found = await outcomes(producer, mock.topic, b"x" * 2_000, b"small")

    assert kinds(found) == [Rejected, Ack]


@pytest.mark.parametrize("code", EVERY)
async def test_an_error_before_there_is_a_producer_id_is_told_as_what_it_is(
    mock: MockKafka, code: int
) -> None:
    mock.fail(INIT_PRODUCER_ID, code)

    error = for_code(code) if code in RAISED else Unavailable
    with nullcontext() if code in RETRIED_INIT else pytest.raises(error):
        async with kafka.producer(settings(mock.bootstrap_servers), "t") as producer:
            assert kinds(await outcomes(producer, mock.topic, b"a")) == [Ack]


@pytest.mark.parametrize("code", EVERY)
async def test_an_error_while_a_new_producer_asks_for_its_id_loses_nothing(
    mock: MockKafka, code: int
) -> None:
    async with kafka.producer(settings(mock.bootstrap_servers), "t") as producer:
        mock.fail(INIT_PRODUCER_ID, code)
        mock.fail(PRODUCE, OutOfOrderSequenceNumber.errno)
        (found,) = await outcomes(producer, mock.topic, b"a")

    assert isinstance(found, KafkaError if code in RAISED else Ack)


@pytest.mark.parametrize("code", EVERY)
async def test_an_error_for_metadata_is_asked_again(mock: MockKafka, code: int) -> None:
    mock.fail(METADATA, code)

    async with kafka.producer(settings(mock.bootstrap_servers), "t") as producer:
        mock.fail(METADATA, code)
        found = await outcomes(producer, mock.topic, b"a")

    assert kinds(found) == [Ack]


async def test_a_broker_that_refuses_every_producer_ends_it_by_its_limit(mock: MockKafka) -> None:
    chosen = settings(mock.bootstrap_servers, producer_rebuilds_max=3)
    async with kafka.producer(chosen, "t") as producer:
        mock.fail(PRODUCE, OutOfOrderSequenceNumber.errno, times=100)
        found = await outcomes(producer, mock.topic, b"a", b"b")

        assert kinds(found) == [OutOfOrderSequenceNumber] * 2
        with pytest.raises(Unavailable, match="failed for good"):
            producer.check()
        with pytest.raises(OutOfOrderSequenceNumber):
            await producer.send(Outgoing(mock.topic, 0, b"c", []))


async def test_a_record_in_between_makes_the_count_of_lost_producers_start_anew(
    mock: MockKafka,
) -> None:
    chosen = settings(mock.bootstrap_servers, producer_rebuilds_max=2)
    async with kafka.producer(chosen, "t") as producer:
        for _ in range(3):
            mock.fail(PRODUCE, OutOfOrderSequenceNumber.errno, times=2)
            assert kinds(await outcomes(producer, mock.topic, b"a")) == [Ack]


async def test_a_sender_that_died_is_replaced_by_the_next_look_at_it(
    mock: MockKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[AIOKafkaProducer] = []
    start = AIOKafkaProducer.start

    async def remembered(self: AIOKafkaProducer) -> None:
        made.append(self)
        await start(self)

    monkeypatch.setattr(AIOKafkaProducer, "start", remembered)
    async with kafka.producer(settings(mock.bootstrap_servers), "t") as producer:
        producer.check()
        sender = made[0]._sender.sender_task
        assert sender is not None
        sender.cancel()
        await asyncio.wait({sender})

        with pytest.raises(Unavailable, match="being replaced"):
            producer.check()
        assert kinds(await outcomes(producer, mock.topic, b"a")) == [Ack]
        producer.check()


async def test_without_a_broker_the_outcome_is_unknown_in_time_and_the_end_is_bounded(
    mock: MockKafka,
) -> None:
    chosen = settings(mock.bootstrap_servers, delivery_timeout_s=0.5, close_timeout_s=0.5)
    async with asyncio.timeout(ANSWER_LIMIT_S):
        async with kafka.producer(chosen, "t") as producer:
            await outcomes(producer, mock.topic, b"a")
            mock.down()
            (found,) = await outcomes(producer, mock.topic, b"b")

    assert isinstance(found, Unavailable)


async def test_without_a_producer_id_the_start_is_bounded(mock: MockKafka) -> None:
    mock.fail(INIT_PRODUCER_ID, 15, times=10_000)
    chosen = settings(mock.bootstrap_servers, start_timeout_s=0.5)

    with pytest.raises(Unavailable, match="was not ready"):
        async with kafka.producer(chosen, "t"):
            pass


@asynccontextmanager
async def narrow_topic(stack: Stack, message_bytes_max: int) -> AsyncGenerator[str]:
    """A topic of one partition whose records must be smaller than what a producer lets pass."""
    topic = f"contract.{uuid.uuid4().hex}"
    client = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap_servers)
    await client.start()
    try:
        config = {"max.message.bytes": str(message_bytes_max)}
        await client.create_topics([NewTopic(topic, 1, 1, topic_configs=config)])
        yield topic
        await client.delete_topics([topic])
    finally:
        await client.close()


async def log_of(stack: Stack, topic: str) -> list[bytes | None]:
    """Read what is in the only partition of a topic."""
    client = AIOKafkaConsumer(
        bootstrap_servers=stack.kafka_bootstrap_servers, auto_offset_reset="earliest"
    )
    await client.start()
    try:
        partition = TopicPartition(topic, 0)
        client.assign([partition])
        end = (await client.end_offsets([partition]))[partition]
        values: list[bytes | None] = []
        async with asyncio.timeout(ANSWER_LIMIT_S):
            while len(values) < end:
                got = await client.getmany(timeout_ms=100)
                values += [record.value for batch in got.values() for record in batch]
        return values
    finally:
        await client.stop()


@pytest.mark.stack
@pytest.mark.timeout(1_900)
async def test_a_refused_record_is_rejected_alone_and_the_others_keep_their_order(
    stack: Stack,
) -> None:
    """The broker really refuses it, and with it everything behind it in its partition."""
    values = [b"%d" % number for number in range(100)]
    refused = os.urandom(300_000)
    async with narrow_topic(stack, 100_000) as topic:
        chosen = settings(stack.kafka_bootstrap_servers)
        async with kafka.producer(chosen, "t") as producer:
            first = await outcomes(producer, topic, *values[:50], refused, *values[50:])
            second = await outcomes(producer, topic, refused, b"last")
        stored = await log_of(stack, topic)

    assert kinds(first) == [*[Ack] * 50, Rejected, *[Ack] * 50]
    assert kinds(second) == [Rejected, Ack]
    assert list(dict.fromkeys(stored)) == [*values, b"last"]


@pytest.mark.stack
@pytest.mark.timeout(1_900)
async def test_records_of_a_batch_that_is_too_large_go_one_by_one(stack: Stack) -> None:
    values = [os.urandom(1_000) for _ in range(50)]
    async with narrow_topic(stack, 10_000) as topic:
        async with kafka.producer(settings(stack.kafka_bootstrap_servers), "t") as producer:
            found = await outcomes(producer, topic, b"a", *values, os.urandom(20_000), b"b")
        stored = await log_of(stack, topic)

    assert kinds(found) == [Ack] * 51 + [Rejected, Ack]
    assert list(dict.fromkeys(stored)) == [b"a", *values, b"b"]
