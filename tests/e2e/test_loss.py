"""A record that the log loses before anybody read it, as its trace tells it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from services.topology import INGEST, NORMALIZE, PARTITIONS
from tests.stack import Stack, eventually, roots, running
from tests.waterfalls import WATERFALL, span_names, warnings

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1_900)]

EVENT = {"name": "probe", "value": 1}
# A fetch that waits in the broker ends with nothing after a tenth of a second.
LAST_FETCH_S = 0.5


async def delete_all(bootstrap_servers: str, topic: str) -> None:
    """Delete every record of a topic, as retention does."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await client.start()
    try:
        everything = RecordsToDelete(before_offset=-1)
        await client.delete_records(
            {TopicPartition(topic, number): everything for number in range(PARTITIONS)}
        )
    finally:
        await client.close()


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A stack of its own that goes on behind a gap, where another one would stop and say so."""
    with running(tmp_path / "state", KAFKA_ACCEPT_GAP="true") as started:
        yield started


def test_only_the_request_that_was_lost_has_a_trace_without_a_root(stack: Stack) -> None:
    before = stack.post(EVENT).body["trace_id"]
    eventually(lambda: stack.trace(before))
    with stack.frozen(NORMALIZE.stage, LAST_FETCH_S):
        lost = stack.post(EVENT).body["trace_id"]
        asyncio.run(delete_all(stack.kafka_bootstrap_servers, INGEST.writes))
    event_id = str(uuid.uuid4())
    after = stack.post({**EVENT, "event_id": event_id}).body["trace_id"]
    eventually(lambda: stack.events(f"event_id={event_id}"))

    for trace_id in (before, after):
        trace = eventually(lambda t=trace_id: stack.trace(t))
        assert span_names(trace) == WATERFALL
        assert warnings(trace) == []
    trace = eventually(lambda: stack.trace_now(lost))
    assert roots(trace) == []
    assert set(span_names(trace)) == {"POST /v1/events", "send events.raw"}
    assert any("invalid parent span IDs" in warning for warning in warnings(trace))
