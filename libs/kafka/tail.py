# pyright: basic
"""Reads a topic without a group: for operators and tests, who must not disturb the stages."""

from __future__ import annotations

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError

from libs.clock import now_us
from libs.errors import Rejected, Unavailable
from libs.kafka.records import Record

_TIMEOUT_MS = 10_000
_POLL_TIMEOUT_MS = 200


async def newest(bootstrap_servers: str, topic: str, count: int) -> list[Record]:
    """Read the newest `count` records of a topic, oldest of them first; fewer if there are fewer.

    Raises `Rejected` if there is no such topic and `Unavailable` if no broker answers.
    """
    client = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers,
        client_id="ttg",
        enable_auto_commit=False,
        request_timeout_ms=_TIMEOUT_MS,
    )
    try:
        await client.start()
        records = await _newest(client, topic, count)
    except KafkaConnectionError as error:
        raise Unavailable(f"no Kafka answers at {bootstrap_servers}") from error
    finally:
        await client.stop()
    records.sort(key=lambda record: (record.appended_us, record.partition, record.offset))
    return records[-count:]


async def _newest(client: AIOKafkaConsumer, topic: str, count: int) -> list[Record]:
    if topic not in await client.topics():
        raise Rejected(f"there is no topic {topic}")
    # The client learns a topic's partitions with the first question about one of them.
    client.assign([TopicPartition(topic, 0)])
    await client.end_offsets([TopicPartition(topic, 0)])
    partitions = [TopicPartition(topic, n) for n in client.partitions_for_topic(topic) or ()]
    client.assign(partitions)
    first = await client.beginning_offsets(partitions)
    end = await client.end_offsets(partitions)
    for partition in partitions:
        client.seek(partition, max(first[partition], end[partition] - count))
    left = {p for p in partitions if end[p] > first[p]}
    records: list[Record] = []
    while left:
        fetched = await client.getmany(*left, timeout_ms=_POLL_TIMEOUT_MS)
        for partition, batch in fetched.items():
            records.extend(_record(raw, end[partition]) for raw in batch)
        left = {p for p in left if await client.position(p) < end[p]}
    return records


def _record(raw, end: int) -> Record:
    return Record(
        topic=raw.topic,
        partition=raw.partition,
        offset=raw.offset,
        appended_us=raw.timestamp * 1000,
        polled_us=now_us(),
        lag_records=max(end - raw.offset - 1, 0),
        key=raw.key,
        value=raw.value,
        headers=list(raw.headers),
    )
