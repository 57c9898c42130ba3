# pyright: basic
"""Reads the topics afresh, and the groups' positions: a plain consumer that is in no group."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Iterator

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from tests.faults.observed import DEAD, GROUPS, TOPICS, Copy

_POLL_MS = 500
_READ_LIMIT_S = 120.0
_ASK_AGAIN_S = 0.2
# What a second client on the same machine may be off by.
_MARGIN_MS = 2_000

_canonical = msgspec.json.Encoder(order="sorted")


async def read(servers: str, run_id: str, started_us: int) -> dict[str, list[Copy]]:
    """Read every event of a run from every topic; none of it is older than the run."""
    client = AIOKafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False)
    await client.start()
    try:
        return await _read(client, run_id, started_us // 1000 - _MARGIN_MS)
    finally:
        await client.stop()


async def _read(client: AIOKafkaConsumer, run_id: str, since_ms: int) -> dict[str, list[Copy]]:
    found: dict[str, list[Copy]] = {topic: [] for topic in (*TOPICS, *DEAD)}
    places = await _assign(client, [*found])
    ends = await client.end_offsets(places)
    begins = await client.offsets_for_times(dict.fromkeys(places, since_ms))
    for place in places:
        begin = begins[place]
        client.seek(place, begin.offset if begin is not None else ends[place])
    deadline = time.monotonic() + _READ_LIMIT_S
    while True:
        positions = [await client.position(place) for place in places]
        if all(at >= ends[place] for at, place in zip(positions, places, strict=True)):
            return found
        assert time.monotonic() < deadline, "the topics could not be read in time"
        for place, records in (await client.getmany(timeout_ms=_POLL_MS)).items():
            for record in records:
                if record.offset < ends[place]:
                    found[place.topic].extend(_copies(record, run_id))


async def _assign(client: AIOKafkaConsumer, topics: list[str]) -> list[TopicPartition]:
    await client._client.force_metadata_update()
    there = await client.topics()
    places = [
        TopicPartition(topic, number)
        for topic in topics
        if topic in there
        for number in sorted(client.partitions_for_topic(topic) or ())
    ]
    client.assign(places)
    return places


def _copies(record, run_id: str) -> Iterator[Copy]:
    try:
        batch = msgspec.json.decode(record.value or b"")
    except msgspec.DecodeError:
        # Not a record of ours, or one that was cut as a dead letter.
        return
    for origin in batch["origins"]:
        for place in range(origin["first"], origin["first"] + origin["count"]):
            event = batch["events"][place]
            if event.get("attributes", {}).get("run") == run_id:
                yield Copy(
                    record.partition, record.offset, place, origin["tenant"], event["event_id"],
                    hashlib.sha256(_canonical.encode(event)).hexdigest(),
                )  # fmt: skip


async def until_rest(servers: str, limit_s: float) -> list[str]:
    """Wait until each group has read all there is; says what is left to read at the limit."""
    deadline = time.monotonic() + limit_s
    while True:
        lag = await lags(servers)
        if not lag or time.monotonic() > deadline:
            return lag
        await asyncio.sleep(_ASK_AGAIN_S)


async def lags(servers: str) -> list[str]:
    """Say of each partition that a group has not read to its end how much is left."""
    ends = await end_offsets(servers)
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    found: list[str] = []
    try:
        for group, topic in GROUPS.items():
            committed = await admin.list_consumer_group_offsets(group)
            for place, end in ends.items():
                at = committed.get(place)
                if place.topic == topic and end > max(at.offset if at else 0, 0):
                    found.append(f"{group} is at {at and at.offset} of {end} in {_named(place)}")
    finally:
        await admin.close()
    return found


async def end_offsets(servers: str) -> dict[TopicPartition, int]:
    """The offset behind the last record of every partition of the flow."""
    client = AIOKafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False)
    await client.start()
    try:
        return await client.end_offsets(await _assign(client, list(TOPICS)))
    finally:
        await client.stop()


def _named(place: TopicPartition) -> str:
    return f"{place.topic}-{place.partition}"
