"""The hooks into aiokafka: a new version that moves what they hold on to fails here."""

from __future__ import annotations

import asyncio
import inspect
from itertools import pairwise

import pytest
import uvloop
from aiokafka.conn import AIOKafkaConnection
from aiokafka.consumer.fetcher import Fetcher, FetchResult
from aiokafka.errors import KafkaConnectionError
from aiokafka.producer.message_accumulator import MessageBatch
from aiokafka.protocol.metadata import MetadataRequest

from libs.kafka import hooks
from tests.contract.brokers import in_kafka, read
from tests.stack import Stack


def parameters(function: object) -> list[str]:
    return list(inspect.signature(inspect.unwrap(function)).parameters)  # type: ignore[arg-type]


def test_what_the_hooks_hold_on_to_is_still_there() -> None:
    assert parameters(Fetcher._proc_fetch_request) == ["self", "assignment", "node_id", "request"]
    assert parameters(FetchResult.getall) == ["self", "max_records"]
    assert parameters(MessageBatch.drain_ready) == ["self"]
    assert parameters(AIOKafkaConnection.send) == ["self", "request", "expect_response"]
    assert "_msg_futures" in inspect.unwrap(MessageBatch.append).__code__.co_names


def test_a_transport_that_uvloop_has_closed_is_a_lost_connection() -> None:
    hooks.install()

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        await writer.wait_closed()

    async def write_to_a_closed_transport() -> None:
        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
            host, port = server.sockets[0].getsockname()
            connection = AIOKafkaConnection(host, port)
            connection._reader, writer = await asyncio.open_connection(host, port)
            connection._writer = writer
            connection._versions = {MetadataRequest.API_KEY: (0, 5)}
            assert await connection._reader.read() == b""
            writer.transport.abort()
            # In place of the reader, which has not been told yet.
            connection._read_task = asyncio.create_task(writer.wait_closed())
            await connection._read_task

            with pytest.raises(KafkaConnectionError, match="the handler is closed"):
                connection.send(MetadataRequest([]))
            assert not connection.connected()

    uvloop.run(write_to_a_closed_transport())


def test_the_hooks_are_wired_in_once() -> None:
    hooks.install()
    wired = Fetcher._proc_fetch_request
    hooks.install()

    assert Fetcher._proc_fetch_request is wired


@pytest.mark.stack
@pytest.mark.timeout(1_900)
async def test_the_moments_of_a_record_follow_each_other(stack: Stack) -> None:
    async with in_kafka(stack.kafka_bootstrap_servers) as broker:
        async with broker.join("g") as consumer:
            assert await consumer.poll() == []
            (ack,) = await broker.write(b"hello", partition=1)
            (record,) = await read(consumer, 1)

    assert 0 < ack.handed_us <= ack.drained_us <= ack.acked_us
    assert 0 < record.asked_us <= record.fetched_us
    assert ack.handed_us <= record.fetched_us <= record.polled_us
    assert not record.may_be_redelivered


@pytest.mark.stack
@pytest.mark.timeout(1_900)
async def test_fetches_keep_their_distance_at_load_and_none_waits_at_rest(stack: Stack) -> None:
    interval_s = 0.3
    servers = stack.kafka_bootstrap_servers
    async with in_kafka(servers, fetch_interval_min_ms=round(interval_s * 1000)) as broker:
        async with broker.join("g") as consumer:
            assert await consumer.poll() == []
            reading = asyncio.create_task(read(consumer, 20))
            for number in range(20):
                await broker.write(b"%d" % number)
                await asyncio.sleep(0.05)
            records = await reading
            # Longer than the interval: the next fetch waits in the broker already.
            await asyncio.sleep(2 * interval_s)
            (ack,) = await broker.write(b"alone")
            (alone,) = await read(consumer, 1)

    asked_us = sorted({record.asked_us for record in records})
    assert [record.value for record in records] == [b"%d" % number for number in range(20)]
    assert all(after - before >= 0.99e6 * interval_s for before, after in pairwise(asked_us))
    assert alone.fetched_us - ack.acked_us < 1e6 * interval_s


@pytest.mark.stack
@pytest.mark.timeout(1_900)
async def test_what_was_there_before_a_member_may_have_been_delivered(stack: Stack) -> None:
    async with in_kafka(stack.kafka_bootstrap_servers) as broker:
        await broker.write(b"old")
        async with broker.join("g") as consumer:
            (record,) = await read(consumer, 1)

    assert record.may_be_redelivered
