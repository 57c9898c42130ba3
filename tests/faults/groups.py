# pyright: basic
"""Groups and topics as an administrator has them: looked at, deleted, made, moved, set."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.protocol.admin import AlterPartitionReassignmentsRequest, DeleteGroupsRequest
from aiokafka.protocol.metadata import MetadataRequest

from libs.kafka import Partition
from libs.kafka.admin import admin
from services.topology import PARTITIONS

# The only broker, unless a row has started another.
_STACKS_OWN = 1
_LIMIT_MS = 10_000
# As the topics are made; a change of some of its settings takes all others back.
_CONFIG = {"message.timestamp.type": "LogAppendTime"}


async def delete(servers: str, group: str) -> bool:
    """Delete a group with its offsets; says whether it is gone: not while it has a member."""
    async with _client(servers) as client:
        coordinator = await client.find_coordinator(group)
        # The client has no method for it, only the request.
        answer: Any = await client._send_request(DeleteGroupsRequest([group]), coordinator)
        return [code for _group, code in answer.results] == [0]


async def committed(servers: str, group: str) -> dict[Partition, int]:
    """Ask how far a group has committed; a partition without a commit is left out."""
    async with _client(servers) as client:
        found = await client.list_consumer_group_offsets(group)
    return {Partition(*place): told.offset for place, told in found.items() if told.offset >= 0}


async def remove(servers: str, topic: str) -> None:
    """Delete a topic with all that is in it."""
    async with _client(servers) as client:
        await client.delete_topics([topic])


async def make(servers: str, topic: str) -> None:
    """Make a topic of the pipeline, if it is not there."""
    async with admin(servers) as kafka:
        await kafka.create_topics([topic], partitions=PARTITIONS)


async def configure(servers: str, topic: str, config: Mapping[str, str]) -> None:
    """Give a topic these settings beside those of all topics, and no others."""
    wanted = ConfigResource(ConfigResourceType.TOPIC, topic, {**_CONFIG, **config})
    async with _client(servers) as client:
        answers: list[Any] = await client.alter_configs([wanted])
    refused = [said for answer in answers for said in answer.resources if said[0]]
    assert not refused, refused


async def reassign(servers: str, topic: str, brokers: Sequence[int]) -> bool:
    """Let these brokers keep a topic; says whether all its partitions may: not if one is unknown.

    They have it when they are in sync.
    """
    partitions: Any = [(number, [*brokers], {}) for number in range(PARTITIONS)]
    tags: Any = {}
    request = AlterPartitionReassignmentsRequest(_LIMIT_MS, [(topic, partitions, tags)], tags)
    async with _client(servers) as client:
        answer: Any = await client._send_request_to_node(_STACKS_OWN, request)
    codes = {code for _topic, told, _tags in answer.responses for _number, code, *_ in told}
    return (answer.error_code, codes) == (0, {0})


async def in_sync(servers: str, topic: str) -> set[tuple[int, ...]]:
    """Ask which brokers are in sync; more than one answer if partitions differ."""
    async with _client(servers) as client:
        answer = await client._send_request_to_node(_STACKS_OWN, MetadataRequest([topic]))
    (told,) = answer.to_object()["topics"]
    return {tuple(sorted(partition["isr"])) for partition in told["partitions"]}


@asynccontextmanager
async def _client(servers: str) -> AsyncGenerator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=servers)
    await client.start()
    try:
        # It asks any broker, and does not wait until that one is connected.
        for broker in client._client.cluster.brokers():
            await client._client.ready(broker.nodeId)
        yield client
    finally:
        await client.close()
