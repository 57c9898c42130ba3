"""From where a real Kafka's partitions are read, when members come and go and logs lose records."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition

from libs.kafka import Consumer, Gap, Partition, Unreadable, next_offsets
from libs.kafka.lenient import LenientBatch
from tests.contract.brokers import PARTITIONS, SETTLE_LIMIT_S, Broker, Kept, in_kafka, read
from tests.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1_900)]

CLAIM_DELAY_S = 0.75
KEPT_AT = 5
# The checksum of a record batch, and where what it covers begins.
CRC = slice(17, 21)


@pytest.fixture
async def broker(stack: Stack) -> AsyncGenerator[Broker]:
    async with in_kafka(stack.kafka_bootstrap_servers) as made:
        yield made


@asynccontextmanager
async def polling(consumer: Consumer, kept: Kept) -> AsyncGenerator[None]:
    """Poll all the time, and keep account of what comes."""

    async def poll() -> None:
        while True:
            for record in await consumer.poll():
                kept.journal.append(("record", record.partition, record.offset))

    task = asyncio.create_task(poll())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled(), task.exception()


async def until_read(kept: Kept, count: int) -> None:
    async with asyncio.timeout(SETTLE_LIMIT_S):
        while True:
            if sum(what == "record" for what, *_ in kept.journal) >= count:
                break
            await asyncio.sleep(0.05)


async def test_no_record_comes_before_its_partition_is_claimed_however_long_that_takes(
    broker: Broker,
) -> None:
    for partition in range(PARTITIONS):
        await broker.write(*[b"x"] * 10, partition=partition)
    # Somewhere else than the group would begin: what comes too early has another offset.
    one, other = (
        Kept(dict.fromkeys(range(PARTITIONS), KEPT_AT), claim_delay_s=CLAIM_DELAY_S)
        for _ in range(2)
    )

    with structlog.testing.capture_logs() as logs:
        async with broker.join("g", one) as first, polling(first, one):
            await until_read(one, PARTITIONS * KEPT_AT)
            async with broker.join("g", other) as second, polling(second, other):
                await until_read(other, PARTITIONS // 2 * KEPT_AT)
            await until_read(one, PARTITIONS * KEPT_AT * 2)

    for kept in (one, other):
        for partition in range(PARTITIONS):
            mine = [entry for entry in kept.journal if entry[1] == partition]
            for before, after in zip([("", 0, 0), *mine], mine, strict=False):
                if before[0] == "claim" and after[0] == "record":
                    assert after[2] == KEPT_AT
                if after[0] == "record":
                    assert before[0] == "claim" or after[2] == before[2] + 1
    assert [log["event"] for log in logs if log["event"] == "records out of turn"] == []


async def test_a_dead_fetch_task_ends_the_stage_instead_of_polls_without_records(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    async with broker.join("g") as consumer:
        await consumer.poll()
        monkeypatch.setattr(Fetcher, "_get_actions_per_node", fail)

        with pytest.raises(RuntimeError, match="fetch task"):
            await read(consumer, 1)


async def delete_before(stack: Stack, topic: str, offset: int) -> None:
    client = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap_servers)
    await client.start()
    try:
        doomed = RecordsToDelete(before_offset=offset)
        await client.delete_records({TopicPartition(topic, 0): doomed})
    finally:
        await client.close()


async def test_records_that_were_deleted_unread_stop_a_reader_until_the_gap_is_accepted(
    stack: Stack,
) -> None:
    async with in_kafka(stack.kafka_bootstrap_servers, accept_gap=False) as broker:
        await broker.write(*(b"%d" % n for n in range(10)))
        async with broker.join("g") as consumer:
            await consumer.commit(next_offsets((await read(consumer, 10))[:2]))
        await delete_before(stack, broker.topic, 6)

        async with broker.join("g") as consumer:
            with pytest.raises(Gap, match=r"records 2 to 5 \(4 of them\).*KAFKA_ACCEPT_GAP"):
                await read(consumer, 1)
        kept = Kept({0: 3})
        async with broker.join("other", kept) as consumer:
            with pytest.raises(Gap, match=r"records 3 to 5 \(3 of them\)"):
                await read(consumer, 1)


async def test_an_accepted_gap_is_left_behind(stack: Stack) -> None:
    async with in_kafka(stack.kafka_bootstrap_servers, accept_gap=True) as broker:
        await broker.write(*(b"%d" % n for n in range(10)))
        await delete_before(stack, broker.topic, 6)
        kept = Kept({0: 3})

        async with broker.join("g", kept) as consumer:
            records = await read(consumer, 4)

    assert [record.offset for record in records] == [6, 7, 8, 9]
    assert kept.offsets[0] == 6


async def test_what_is_deleted_under_a_reader_stops_it_too(stack: Stack) -> None:
    servers = stack.kafka_bootstrap_servers
    # So little that the client cannot hold all of it.
    async with in_kafka(servers, max_partition_fetch_bytes=1_024) as broker:
        for n in range(20):
            await broker.write(b"%d" % n * 800)
        async with broker.join("g") as consumer:
            await read(consumer, 1)
            await delete_before(stack, broker.topic, 19)

            with pytest.raises(Gap, match=r"were deleted unread"):
                await read(consumer, 20)


async def test_a_position_behind_the_end_of_the_log_stops_a_reader(broker: Broker) -> None:
    await broker.write(b"a")

    async with broker.join("g", Kept({0: 99})) as consumer:
        with pytest.raises(Gap, match=r"read on at 99, but the log ends at 1"):
            await read(consumer, 1)


async def test_a_record_with_a_wrong_checksum_stops_a_reader_with_what_to_do(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await broker.write(b"a")
    monkeypatch.setattr(LenientBatch, "validate_crc", lambda _batch: False, raising=False)

    async with broker.join("g") as consumer:
        with pytest.raises(Unreadable, match="look at the broker's log"):
            await read(consumer, 1)


async def test_a_header_name_that_is_not_text_stops_nobody(stack: Stack, broker: Broker) -> None:
    client = AIOKafkaProducer(bootstrap_servers=stack.kafka_bootstrap_servers)
    await client.start()
    try:
        batch = client.create_batch()
        for value, name in ((b"first", "ok"), (b"odd", "bad?"), (b"behind", "ok")):
            batch.append(key=None, value=value, timestamp=None, headers=[(name, b"x")])
        build = batch._build

        def spoilt() -> bytearray:
            raw = bytearray(build().replace(b"bad?", b"bad\xff"))
            raw[CRC] = calc_crc32c(raw[CRC.stop :]).to_bytes(4, "big")
            return raw

        batch._build = spoilt
        await (await client.send_batch(batch, broker.topic, partition=0))
    finally:
        await client.stop()
    await broker.write(b"later")

    async with broker.join("g") as consumer:
        records = await read(consumer, 4)
    assert [record.value for record in records] == [b"first", b"odd", b"behind", b"later"]
    assert records[1].headers == [("bad\\xff", b"x")]
    assert next_offsets(records) == {Partition(broker.topic, 0): 4}
