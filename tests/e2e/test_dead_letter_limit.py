"""A topic full of poison, on a stack of its own: the stage stops, and waits for its operator."""

from __future__ import annotations

import asyncio
import os
import signal
import uuid

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from libs import kafka
from libs.kafka import KafkaSettings, Outgoing, tail
from services.topology import NORMALIZE
from tests.stack import UP_LIMIT_S, Stack, eventually, run_ttg, running

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1_900)]

LIMIT = 20
POISON = 300
PARTITION = 5
SAID = "dead-letter limit reached"
# A killed member's session ends after 6 s, and only then its group gives its partitions away.
HELD_LIMIT_S = 40.0


async def poison(servers: str) -> None:
    async with kafka.producer(KafkaSettings(bootstrap_servers=servers), "test") as producer:
        junk = [Outgoing(NORMALIZE.reads, PARTITION, b"poison", []) for _ in range(POISON)]
        for acked in [await producer.send(one) for one in junk]:
            await acked


def committed(stack: Stack) -> int:
    """How far the stage has got in the poisoned partition."""

    async def asking() -> int:
        client = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap_servers)
        await client.start()
        try:
            offsets = await client.list_consumer_group_offsets(NORMALIZE.stage)
        finally:
            await client.close()
        told = offsets.get(TopicPartition(NORMALIZE.reads, PARTITION))
        return max(told.offset, 0) if told else 0

    return asyncio.run(asking())


def buried(stack: Stack) -> set[int]:
    """The offsets of the records that are dead letters."""
    topic = f"{NORMALIZE.reads}.dlq"
    letters = asyncio.run(tail.newest(stack.kafka_bootstrap_servers, topic, 10_000))
    return {int(dict(letter.headers)["dlq.orig.offset"]) for letter in letters}


def times_held(stack: Stack) -> int:
    logs = stack.ttg("logs", NORMALIZE.stage, "--lines", "1000")
    return logs.stdout.count(SAID)


def test_a_stage_stops_at_its_limit_and_goes_on_when_its_operator_says_so(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    state_dir = tmp_path_factory.mktemp("poisoned") / "state"
    with running(state_dir, DEAD_LETTERS_CONSECUTIVE_MAX=str(LIMIT)) as stack:
        asyncio.run(poison(stack.kafka_bootstrap_servers))
        eventually(lambda: times_held(stack), HELD_LIMIT_S)
        assert buried(stack) == set(range(LIMIT))
        reached = committed(stack)
        assert reached <= LIMIT

        # Whatever starts it again: it stops again, at most one limit further.
        os.kill(stack.pids(NORMALIZE.stage)[0], signal.SIGKILL)
        eventually(lambda: times_held(stack) >= 2, HELD_LIMIT_S)
        assert buried(stack) == set(range(max(LIMIT, reached + LIMIT)))
        assert committed(stack) <= 2 * LIMIT

        stack.ttg("down")
        lifted = {"DEAD_LETTERS_CONSECUTIVE_MAX": "0", "DEAD_LETTERS_RATIO_MAX": "1"}
        up = run_ttg(state_dir, stack.port_base, "up", limit_s=UP_LIMIT_S, **lifted)
        assert up.returncode == 0, up
        event_id = str(uuid.uuid4())
        assert stack.post({"name": "probe", "value": 1, "event_id": event_id}).status == 202
        eventually(lambda: stack.events(f"event_id={event_id}"), HELD_LIMIT_S)
        eventually(lambda: committed(stack) >= POISON, HELD_LIMIT_S)
        assert buried(stack) == set(range(POISON))
