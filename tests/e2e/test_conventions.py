"""Every span that the other tests have made, as the backend holds it, against what is declared."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from opentelemetry.trace import SpanKind

from libs import kafka
from libs.kafka import KafkaSettings, Outgoing
from services.topology import PIPELINE, TOPICS
from tests.conventions import RESOURCE, violations
from tests.stack import Stack, eventually, http

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1_900)]

# What Jaeger makes of the parts of a span that are no attributes.
JAEGERS_OWN = {"span.kind", "error", "otel.status_code", "otel.status_description"}
JAEGERS_OWN |= {"otel.scope.name", "otel.scope.version", "w3c.tracestate"}
TYPES = {"string": str, "bool": bool, "int64": int, "float64": float}


def attributes(tags: list[dict[str, Any]]) -> dict[str, object]:
    """Read tags with the type they were sent with."""
    kept = [tag for tag in tags if tag["key"] not in JAEGERS_OWN]
    return {tag["key"]: TYPES[tag["type"]](tag["value"]) for tag in kept}


def kind_of(span: dict[str, Any]) -> SpanKind:
    kinds = [tag["value"] for tag in span["tags"] if tag["key"] == "span.kind"]
    return SpanKind[kinds[0].upper()] if kinds else SpanKind.INTERNAL


def traces(stack: Stack) -> list[dict[str, Any]]:
    asked = f"{stack.values['JAEGER_URL']}/api/traces?limit=1000&service="
    services = ["pipeline", *(hop.stage for hop in PIPELINE)]
    return [trace for service in services for trace in http("GET", asked + service).body["data"]]


async def poison(stack: Stack, trace_id: str) -> None:
    settings = KafkaSettings(bootstrap_servers=stack.kafka_bootstrap_servers)
    context = [("traceparent", f"00-{trace_id}-00f067aa0ba902b7-01".encode())]
    async with kafka.producer(settings, "test") as producer:
        for topic in TOPICS:
            await (await producer.send(Outgoing(topic, 0, b"junk", context)))


def test_every_span_is_as_it_is_declared(stack: Stack) -> None:
    good = stack.post([{"name": "probe", "value": 1}, {"name": "probe", "value": 2}])
    bad = stack.post({"name": "probe", "value": 1e308, "unit": "TB"})
    trace_id = uuid.uuid4().hex
    asyncio.run(poison(stack, trace_id))
    for one in (good, bad):
        eventually(lambda a=one: stack.trace(a.body["trace_id"]))
    eventually(lambda: stack.trace_now(trace_id))

    found = traces(stack)
    wrong = {
        violation
        for trace in found
        for span in trace["spans"]
        for violation in violations(
            span["operationName"],
            kind_of(span),
            trace["processes"][span["processID"]]["serviceName"],
            attributes(span["tags"]),
        )
    }
    resources = [process["tags"] for trace in found for process in trace["processes"].values()]
    undeclared = {tag["key"] for tags in resources for tag in tags} - RESOURCE.required.keys()
    assert len(found) >= 3
    assert wrong == set()
    assert undeclared == set()
