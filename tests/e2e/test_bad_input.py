"""What does not belong into the pipeline, at the live door and in the live topics."""

from __future__ import annotations

import asyncio
import uuid

import asyncpg
import pytest

from libs import kafka
from libs.kafka import KafkaSettings, Outgoing
from services.topology import DEAD_LETTER_SUFFIX, SINK, TOPICS
from tests.stack import Stack, eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1_900)]

EVENT = {"name": "probe", "value": 1}
# Groups gather again, and clients come back from their longest waits.
THAW_LIMIT_S = 30.0


def test_a_request_with_a_wrong_key_or_none_is_refused(stack: Stack) -> None:
    assert stack.post(EVENT, **{"Api-Key": "wrong"}).status == 401
    assert stack.post(EVENT, **{"Api-Key": ""}).status == 401


def test_each_kind_of_bad_body_has_its_own_answer(stack: Stack) -> None:
    assert stack.post(b"{broken").status == 400
    assert stack.post(b"x" * 5_000_000).status == 413
    assert stack.post(EVENT, **{"Content-Type": "text/plain"}).status == 415
    refused = stack.post([EVENT, {"name": "", "value": "high"}])
    assert refused.status == 422
    named = {(v["index"], v["field"]) for v in refused.body["violations"]}
    assert named == {(1, "name"), (1, "value")}


def test_nothing_of_a_refused_request_is_stored(stack: Stack) -> None:
    """Events of one key arrive in order, so what was sent before one that is there is there too."""
    refused_id, accepted_id = str(uuid.uuid4()), str(uuid.uuid4())
    key = {"Ordering-Key": uuid.uuid4().hex}

    refused = stack.post([{**EVENT, "event_id": refused_id}, {"name": "probe"}], **key)
    accepted = stack.post({**EVENT, "event_id": accepted_id}, **key)

    assert (refused.status, accepted.status) == (422, 202)
    eventually(lambda: stack.events(f"event_id={accepted_id}"))
    assert stack.events(f"event_id={refused_id}") == []


@pytest.mark.parametrize("topic", TOPICS)
def test_a_record_that_cannot_be_read_is_dead_lettered_and_the_stage_goes_on(
    stack: Stack, topic: str
) -> None:
    marker = uuid.uuid4().hex
    trace_id = uuid.uuid4().hex
    value = f"broken {marker}".encode()
    traceparent = f"00-{trace_id}-00f067aa0ba902b7-01".encode()

    asyncio.run(_write(stack, Outgoing(topic, 0, value, [("traceparent", traceparent)])))

    if topic == SINK.reads:
        letter = eventually(lambda: asyncio.run(_letter(stack, value)))
        assert (letter["topic"], letter["trace_id"]) == (topic, trace_id)
        assert "not JSON" in letter["reason"]
    else:
        printed = eventually(lambda: _printed(stack, topic + DEAD_LETTER_SUFFIX, marker))
        assert trace_id in printed
        assert "not JSON" in printed
    event_id = str(uuid.uuid4())
    stack.post({**EVENT, "event_id": event_id})
    assert eventually(lambda: stack.events(f"event_id={event_id}"))


def test_while_kafka_stands_still_the_door_says_503_and_when_to_come_back(stack: Stack) -> None:
    event_id = str(uuid.uuid4())
    with stack.frozen("kafka"):
        answer = stack.post({**EVENT, "event_id": event_id})

    assert answer.status == 503
    assert int(answer.headers["retry-after"]) >= 1
    eventually(lambda: stack.post({**EVENT, "event_id": event_id}).status == 202, THAW_LIMIT_S)
    found = eventually(lambda: stack.events(f"event_id={event_id}"), THAW_LIMIT_S)
    assert len(found) == 1


async def _write(stack: Stack, record: Outgoing) -> None:
    settings = KafkaSettings(bootstrap_servers=stack.kafka_bootstrap_servers)
    async with kafka.producer(settings, "test") as producer:
        await (await producer.send(record))


async def _letter(stack: Stack, value: bytes) -> asyncpg.Record | None:
    connection = await asyncpg.connect(stack.values["DATABASE_URL"])
    try:
        return await connection.fetchrow("select * from dead_letter where value = $1", value)
    finally:
        await connection.close()


def _printed(stack: Stack, topic: str, marker: str) -> str:
    printed = stack.ttg("headers", topic, "--count", "50")
    assert printed.returncode == 0, printed
    lines = printed.stdout
    return lines if marker in lines else ""
