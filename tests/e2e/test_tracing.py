"""Traces of many requests, and of those that were not sampled but slow or failed."""

from __future__ import annotations

import asyncio
import time
import uuid
from pathlib import Path
from typing import Any

import msgspec
import pytest

from libs.tracing import names
from services.topology import DECORATE, PIPELINE
from tests.door import KEY, SecondDoor, second_door
from tests.stack import Stack, eventually, http, parents, roots
from tests.waterfalls import WATERFALL, span_names, tags, warnings
from tools.load.client import Client
from tools.trace import critical, jaeger

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1_900)]

REQUESTS = 500
RATE_PER_S = 300
# Above the sink's default threshold of one second.
FROZEN_S = 1.6


def explained(trace: dict[str, Any]) -> float:
    """The part of the root in which some other span is at work."""
    (root,) = roots(trace)
    covered_us, reached_us = 0, root["startTime"]
    for span in sorted(trace["spans"], key=lambda span: span["startTime"]):
        end_us = span["startTime"] + span["duration"]
        if span is not root and end_us > reached_us:
            covered_us += end_us - max(span["startTime"], reached_us)
            reached_us = end_us
    return covered_us / root["duration"]


async def post_all(door: SecondDoor) -> dict[str, int]:
    """Post requests of 1 to 5 events in open loop; return how many events each trace has."""
    client = Client(door.url, "/v1/events", {"Api-Key": KEY, "Content-Type": "application/json"})

    async def post(number: int) -> tuple[str, int]:
        await asyncio.sleep(number / RATE_PER_S)
        count = 1 + number % 5
        answer = await client.post(
            msgspec.json.encode([{"name": "probe", "value": n} for n in range(count)]), 15.0
        )
        said = msgspec.json.decode(answer.body)
        assert (answer.status, said.get("sampled")) == (202, True), said
        return said["trace_id"], count

    try:
        return dict(await asyncio.gather(*map(post, range(REQUESTS))))
    finally:
        client.close()


def test_each_of_many_sampled_requests_has_its_own_whole_waterfall(stack: Stack) -> None:
    before = {trace["traceID"] for trace in newest(stack)}
    with second_door(stack, TRACE_PER_SECOND_MAX=10_000) as door:
        sent = asyncio.run(post_all(door))
    last = list(sent)[-1]
    eventually(lambda: stack.trace(last), 30.0)

    assert len(sent) == REQUESTS
    for trace_id, events in sent.items():
        trace = stack.trace_now(trace_id)
        assert trace is not None, trace_id
        assert span_names(trace) == WATERFALL
        assert parents(trace) <= {span["spanID"] for span in trace["spans"]}
        assert warnings(trace) == []
        assert tags(roots(trace)[0])[names.EVENTS_STORED] == events
        assert explained(trace) >= 0.99
    others = [t for t in newest(stack) if t["traceID"] not in before | sent.keys()]
    assert [(t["traceID"], span_names(t)) for t in others] == []


def newest(stack: Stack) -> list[dict[str, Any]]:
    """The newest traces of each service."""
    jaeger_url = stack.values["JAEGER_URL"]
    services = http("GET", f"{jaeger_url}/api/services").body["data"] or []
    asked = f"{jaeger_url}/api/traces?limit=2000&service="
    return [trace for service in services for trace in http("GET", asked + service).body["data"]]


def test_exactly_the_slow_of_the_unsampled_requests_are_told_afterwards(stack: Stack) -> None:
    event = {"name": "probe", "value": 1}
    with second_door(stack, OTEL_TRACES_SAMPLER_ARG=0) as door:
        quick = [door.post(event).body["trace_id"] for _ in range(3)]
        last_id = str(uuid.uuid4())
        quick.append(door.post({**event, "event_id": last_id}).body["trace_id"])
        eventually(lambda: stack.events(f"event_id={last_id}"))
        with stack.frozen(DECORATE.stage):
            slow = [door.post([event] * 3).body["trace_id"] for _ in range(3)]
            time.sleep(FROZEN_S)
        traces = [eventually(lambda t=trace_id: stack.trace(t), 20.0) for trace_id in slow]

    for trace in traces:
        assert span_names(trace) == WATERFALL
        assert parents(trace) <= {span["spanID"] for span in trace["spans"]}
        assert warnings(trace) == []
        assert all(tags(span)[names.RETRO] for span in trace["spans"])
        services = {key: process["serviceName"] for key, process in trace["processes"].items()}
        assert set(services.values()) == {"pipeline", *(hop.stage for hop in PIPELINE)}
        rest = [span for span in trace["spans"] if span["operationName"] != names.ROOT]
        longest = max(rest, key=lambda span: span["duration"])
        assert services[longest["processID"]] == DECORATE.stage
        assert explained(trace) >= 0.99
    assert [stack.trace_now(trace_id) for trace_id in quick] == [None] * 4


def test_an_unsampled_request_that_fails_is_told_afterwards(stack: Stack) -> None:
    bad = {"name": "probe", "value": 1e308, "unit": "TB"}
    with second_door(stack, OTEL_TRACES_SAMPLER_ARG=0) as door:
        answer = door.post([{"name": "probe", "value": 1}, bad])

        trace = eventually(lambda: stack.trace(answer.body["trace_id"]))
    (root,) = roots(trace)
    assert answer.body["sampled"] is False
    assert tags(root)["error.type"] == "dead_lettered"
    assert (tags(root)[names.EVENTS_STORED], tags(root)[names.EVENTS_DEAD_LETTERED]) == (1, 1)


def test_the_critical_path_explains_requests_and_they_are_ranked_and_judged_by_it(
    stack: Stack, tmp_path: Path
) -> None:
    event = {"name": "probe", "value": 1}
    sent = [stack.post([event] * (1 + n % 5)).body["trace_id"] for n in range(20)]

    for trace_id in sent:
        found = jaeger.find(stack.values["JAEGER_URL"], trace_id)
        assert found is not None
        assert found.root is not None
        sections = critical.path(found)
        assert sum(section.duration_us for section in sections) == found.root.duration_us
        known_us = sum(s.duration_us for s in sections if s.kind != "unexplained")
        assert known_us >= 0.99 * found.root.duration_us
    ranked = stack.ttg("trace", "--slowest", "100", "--among", "100", "--json")
    assert set(sent) <= {one["trace_id"] for one in msgspec.json.decode(ranked.stdout)}
    budget = tmp_path / "budget.toml"
    budget.write_text("[time_to_glass]\nmax_ms = 60_000\nunexplained_share_max = 0.01")
    kept = stack.ttg("trace", "--budget", str(budget), "--among", "20")
    assert kept.returncode == 0, kept
    budget.write_text("[sink]\ndatabase_p50_ms = 0.001")
    exceeded = stack.ttg("trace", "--budget", str(budget), "--among", "20")
    assert (exceeded.returncode, "over" in exceeded.stdout) == (1, True), exceeded
