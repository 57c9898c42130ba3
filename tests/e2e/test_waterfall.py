"""One request, followed through the live pipeline into PostgreSQL and Jaeger."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import pytest

from services.topology import PIPELINE, TOPICS
from tests.stack import Stack, eventually, parents, roots

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1_900)]

GLASS_LIMIT_S = 2.0
STORED_BEFORE_COMMIT_MAX_S = 0.025


def seen(stack: Stack, event_id: str) -> dict[str, Any]:
    (event,) = eventually(lambda: stack.events(f"event_id={event_id}"), GLASS_LIMIT_S)
    return event


def root_of(trace: dict[str, Any]) -> dict[str, Any]:
    (root,) = roots(trace)
    return root


def seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()


def test_an_event_is_seen_within_two_seconds_in_base_units_with_its_owner(stack: Stack) -> None:
    event_id = str(uuid.uuid4())
    answer = stack.post(
        {
            "event_id": event_id,
            "name": "Checkout Latency",
            "value": 250,
            "unit": "ms",
            "timestamp": "2026-01-31T12:00:00+02:00",
            "attributes": {"entity": "checkout"},
        }
    )

    event = seen(stack, event_id)
    assert answer.status == 202
    assert answer.body["accepted"] == 1
    assert (event["name"], event["value"], event["unit"]) == ("checkout_latency", 0.25, "s")
    assert event["timestamp"] == "2026-01-31T10:00:00.000000Z"
    assert event["trace_id"] == answer.body["trace_id"]
    assert event["owner"]
    assert event["team"]
    assert event["region"]


def test_an_event_is_found_by_name(stack: Stack) -> None:
    name = f"probe.{uuid.uuid4().hex}"
    stack.post([{"name": name, "value": n} for n in range(3)])

    eventually(lambda: len(stack.events(f"name={name}")) == 3, GLASS_LIMIT_S)
    assert len(stack.events(f"name={name}&limit=2")) == 2


def test_one_request_is_one_trace_with_every_stage_and_no_orphan(stack: Stack) -> None:
    event_id = str(uuid.uuid4())
    answer = stack.post({"event_id": event_id, "name": "probe", "value": 1})
    seen(stack, event_id)

    trace = eventually(lambda: stack.trace(answer.body["trace_id"]))
    spans = trace["spans"]
    services = {p: process["serviceName"] for p, process in trace["processes"].items()}
    known = {span["spanID"] for span in spans}
    assert {services[span["processID"]] for span in spans} == {
        "pipeline",
        *(hop.stage for hop in PIPELINE),
    }
    assert services[root_of(trace)["processID"]] == "pipeline"
    assert parents(trace) <= known
    assert not [span for span in spans if span["warnings"]]
    names = [span["operationName"] for span in spans]
    expected = ["time to glass", "POST /v1/events", "COPY event", "INSERT event", "COMMIT"]
    expected += [f"{verb} {topic}" for topic in TOPICS for verb in ("send", "queue", "process")]
    assert sorted(names) == sorted(expected)


def test_the_root_lasts_from_the_receipt_to_the_commit(stack: Stack) -> None:
    """The best of three, because a busy machine may pause between the note and the commit."""
    gaps_s = [gap_s(stack) for _ in range(3)]

    assert min(gaps_s) >= 0
    assert min(gaps_s) <= STORED_BEFORE_COMMIT_MAX_S


def gap_s(stack: Stack) -> float:
    """Follow a request from its receipt; return how long before its root's end it was stored."""
    event_id = str(uuid.uuid4())
    answer = stack.post({"event_id": event_id, "name": "probe", "value": 1})
    event = seen(stack, event_id)

    root = root_of(eventually(lambda: stack.trace(answer.body["trace_id"])))
    started_s, ended_s = root["startTime"] / 1e6, (root["startTime"] + root["duration"]) / 1e6
    assert started_s == pytest.approx(seconds(event["received_at"]), abs=2e-6)
    return ended_s - seconds(event["stored_at"])


def test_the_spans_fill_the_root_without_a_gap(stack: Stack) -> None:
    event_id = str(uuid.uuid4())
    answer = stack.post({"event_id": event_id, "name": "probe", "value": 1})
    seen(stack, event_id)

    trace = eventually(lambda: stack.trace(answer.body["trace_id"]))
    root = root_of(trace)
    covered_us, reached = 0, root["startTime"]
    for span in sorted(trace["spans"], key=lambda span: span["startTime"]):
        end = span["startTime"] + span["duration"]
        if span is not root and end > reached:
            covered_us += end - max(span["startTime"], reached)
            reached = end
    assert covered_us >= 0.99 * root["duration"]


def test_requests_that_share_a_record_have_each_a_waterfall_of_their_own(stack: Stack) -> None:
    answers = [stack.post([{"name": "probe", "value": 1}] * n) for n in (1, 2, 3, 4, 5)]

    for events, answer in enumerate(answers, start=1):
        root = root_of(eventually(lambda a=answer: stack.trace(a.body["trace_id"])))
        tags = {tag["key"]: tag["value"] for tag in root["tags"]}
        assert tags["ttg.events.stored"] == events


def test_sending_the_same_event_again_stores_it_once_and_says_so(stack: Stack) -> None:
    event_id = str(uuid.uuid4())
    first = stack.post({"event_id": event_id, "name": "probe", "value": 1})
    seen(stack, event_id)
    again = stack.post({"event_id": event_id, "name": "probe", "value": 2})

    root = root_of(eventually(lambda: stack.trace(again.body["trace_id"])))
    tags = {tag["key"]: tag["value"] for tag in root["tags"]}
    assert (tags["ttg.events.stored"], tags["ttg.events.already_there"]) == (0, 1)
    event = seen(stack, event_id)
    assert (event["value"], event["trace_id"]) == (1, first.body["trace_id"])


def test_a_clients_own_trace_is_linked_and_not_continued(stack: Stack) -> None:
    theirs = "4bf92f3577b34da6a3ce929d0e0e4736"
    answer = stack.post(
        {"name": "probe", "value": 1}, traceparent=f"00-{theirs}-00f067aa0ba902b7-01"
    )

    trace = eventually(lambda: stack.trace(answer.body["trace_id"]))
    assert answer.body["trace_id"] != theirs
    (server,) = [s for s in trace["spans"] if s["operationName"] == "POST /v1/events"]
    assert theirs in {reference["traceID"] for reference in server["references"]}
