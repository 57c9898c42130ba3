"""What is written into a topic before a run: every record, however large they are."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from aiokafka import AIOKafkaProducer

from bench.peers import feeding
from bench.peers.supply import Headers


@pytest.fixture
async def producer() -> AsyncGenerator[AIOKafkaProducer]:
    """One that is not connected: it only makes batches."""
    producer = AIOKafkaProducer(bootstrap_servers="127.0.0.1:1", max_batch_size=900_000)
    yield producer
    await producer.stop()


def counts(
    producer: AIOKafkaProducer, values: list[bytes], headers: list[Headers] | None = None
) -> list[int]:
    return [batch.record_count() for batch in feeding.batches(producer, values, headers)]


async def test_batches_are_of_as_many_records(producer: AIOKafkaProducer) -> None:
    assert counts(producer, [b"value"] * 120) == [50, 50, 20]


async def test_a_batch_that_is_full_is_followed_by_another(producer: AIOKafkaProducer) -> None:
    found = counts(producer, [b"v" * 200_000] * 10)

    assert sum(found) == 10
    assert max(found) == 4


async def test_records_have_their_headers(producer: AIOKafkaProducer) -> None:
    headers: list[Headers] = [[("traceparent", bytes([48 + number]))] for number in range(3)]
    (batch,) = feeding.batches(producer, [b"value"] * 3, headers)

    assert all(name in bytes(batch._build()) for name in (b"traceparent", b"\x020", b"\x022"))
