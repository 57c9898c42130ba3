"""Clients with a trace of their own: continued for a tenant that is trusted, linked for others."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from libs.tracing import names
from services.topology import TOPICS
from tests.door import KEY, SecondDoor, second_door
from tests.neighbours import read
from tests.stack import Answer, Stack, eventually, parents, roots
from tests.waterfalls import WATERFALL, span_names

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1_900)]

EVENT = {"name": "probe", "value": 1}
PARTNERS_KEY = "of-a-partner"
SETTINGS = {
    "INGEST_API_KEYS": f"partner={PARTNERS_KEY},default={KEY}",
    "INGEST_TRUSTED_TENANTS": "partner",
}
# More than one a second, on any machine.
MANY = 20


@pytest.fixture(scope="module")
def door(stack: Stack) -> Iterator[SecondDoor]:
    with second_door(stack, **SETTINGS) as door:
        yield door


def post(door: SecondDoor, key: str, flags: str = "01", **event: str) -> tuple[Answer, str, str]:
    """Send an event within a new trace of the client; returns the trace and the span, too."""
    trace_id, span_id = uuid.uuid4().hex, secrets.token_hex(8)
    context = {"traceparent": f"00-{trace_id}-{span_id}-{flags}", "tracestate": "vendor=1"}
    answer = door.post({**EVENT, **event}, **{"Api-Key": key, **context})
    assert answer.status == 202, answer
    return answer, trace_id, span_id


def references(trace: dict[str, Any], name: str) -> list[tuple[str, str, str]]:
    """What a span refers to: how, and which span of which trace."""
    (span,) = [span for span in trace["spans"] if span["operationName"] == name]
    return [(r["refType"], r["traceID"], r["spanID"]) for r in span["references"]]


def test_the_span_of_a_trusted_client_is_the_parent_of_the_whole_waterfall(
    stack: Stack, door: SecondDoor
) -> None:
    answer, trace_id, span_id = post(door, PARTNERS_KEY)

    trace = eventually(lambda: stack.trace(trace_id))
    (root,) = roots(trace)
    assert answer.body["trace_id"] == trace_id
    assert span_names(trace) == WATERFALL
    assert references(trace, names.ROOT) == [("CHILD_OF", trace_id, span_id)]
    assert references(trace, names.SERVER) == [("CHILD_OF", trace_id, root["spanID"])]
    assert parents(trace) - {span["spanID"] for span in trace["spans"]} == {span_id}
    headers = read(stack.kafka_bootstrap_servers, TOPICS[-1], trace_id)
    assert headers["tracestate"].startswith(f"ttg={root['spanID']}-")
    assert headers["tracestate"].endswith(",vendor=1")


def test_what_a_trusted_client_did_not_sample_is_not_sampled_here(
    stack: Stack, door: SecondDoor
) -> None:
    event_id = str(uuid.uuid4())
    answer, trace_id, _ = post(door, PARTNERS_KEY, flags="00", event_id=event_id)

    assert (answer.body["trace_id"], answer.body["sampled"]) == (trace_id, False)
    check_that_it_is_stored_without_a_trace(stack, event_id, trace_id)


def test_what_a_trusted_client_sends_past_its_rate_goes_on_unsampled(stack: Stack) -> None:
    event_ids = [str(uuid.uuid4()) for _ in range(MANY)]
    with second_door(stack, **SETTINGS, TRACE_TRUSTED_PER_SECOND_MAX=1) as door:
        sent = [post(door, PARTNERS_KEY, event_id=event_id) for event_id in event_ids]

    assert all(answer.body["trace_id"] == trace_id for answer, trace_id, _ in sent)
    is_sampled = [answer.body["sampled"] for answer, *_ in sent]
    assert is_sampled[0]
    past = is_sampled.index(False)
    check_that_it_is_stored_without_a_trace(stack, event_ids[past], sent[past][1])


def check_that_it_is_stored_without_a_trace(stack: Stack, event_id: str, trace_id: str) -> None:
    (event,) = eventually(lambda: stack.events(f"event_id={event_id}"))
    assert event["trace_id"] == trace_id
    # What was sent later, sampled, has arrived; so this one would have, too.
    later = stack.post(EVENT).body["trace_id"]
    eventually(lambda: stack.trace(later))
    assert stack.trace_now(trace_id) is None


def test_the_span_of_any_other_client_is_linked(stack: Stack, door: SecondDoor) -> None:
    answer, trace_id, span_id = post(door, KEY)

    ours = answer.body["trace_id"]
    trace = eventually(lambda: stack.trace(ours))
    (root,) = roots(trace)
    assert ours != trace_id
    assert span_names(trace) == WATERFALL
    assert references(trace, names.ROOT) == []
    assert references(trace, names.SERVER) == [
        ("CHILD_OF", ours, root["spanID"]),
        ("FOLLOWS_FROM", trace_id, span_id),
    ]
    assert stack.trace_now(trace_id) is None
