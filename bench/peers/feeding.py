# pyright: basic
"""Topics of a run, and what is written into the first of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import cycle

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.producer.message_accumulator import BatchBuilder

from bench.peers.supply import Headers
from libs.kafka.admin import admin
from services.topology import PARTITIONS

# Few enough that every partition gets some, also of the fewest events.
_BATCH_RECORDS = 50
_BATCH_BYTES_MAX = 900_000
_IN_FLIGHT_MAX = 64


@asynccontextmanager
async def topics(servers: str, names: Sequence[str]) -> AsyncGenerator[None]:
    """Make topics, and remove them afterwards with all that is in them."""
    async with admin(servers) as kafka:
        await kafka.create_topics(names, partitions=PARTITIONS)
    try:
        yield
    finally:
        client = AIOKafkaAdminClient(bootstrap_servers=servers)
        try:
            await client.start()
            await client.delete_topics(list(names))
        finally:
            await client.close()


@asynccontextmanager
async def producing(servers: str) -> AsyncGenerator[AIOKafkaProducer]:
    """Yield a producer; what was given to it is written when this ends."""
    # It warns of each partition of a topic that has only just been made, and tries again.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    producer = AIOKafkaProducer(
        bootstrap_servers=servers,
        max_batch_size=_BATCH_BYTES_MAX,
        max_request_size=_BATCH_BYTES_MAX,
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def preload(
    servers: str, topic: str, values: Sequence[bytes], headers: Sequence[Headers] | None
) -> None:
    """Write records, evenly over the partitions; all of them are there when this returns."""
    async with producing(servers) as producer:
        acks = []
        for partition, batch in zip(
            cycle(range(PARTITIONS)), batches(producer, values, headers), strict=False
        ):
            acks.append(await producer.send_batch(batch, topic, partition=partition))
            if len(acks) >= _IN_FLIGHT_MAX:
                await asyncio.gather(*acks)
                acks.clear()
        await asyncio.gather(*acks)


def batches(
    producer: AIOKafkaProducer, values: Sequence[bytes], headers: Sequence[Headers] | None
) -> Iterator[BatchBuilder]:
    """Put records into as few batches as can be sent, so that every partition gets some."""
    batch, left = producer.create_batch(), _BATCH_RECORDS
    for number, value in enumerate(values):
        given = list(headers[number]) if headers is not None else []
        is_in = left and batch.append(key=None, value=value, timestamp=None, headers=given)
        if not is_in:
            batch.close()
            yield batch
            batch, left = producer.create_batch(), _BATCH_RECORDS
            batch.append(key=None, value=value, timestamp=None, headers=given)
        left -= 1
    batch.close()
    yield batch
