"""Neighbours that are not ours: whoever writes into a topic, or reads one, in the same trace."""

from __future__ import annotations

import secrets
import uuid
from collections import Counter
from typing import Any

import msgspec
import pytest
from opentelemetry import baggage, propagate
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind, get_current_span

from libs.tracing import names
from services.topology import DEAD_LETTER_TOPICS, NORMALIZE, PIPELINE, TOPICS
from tests.neighbours import WRITERS, Headers, Write, by_librdkafka, read
from tests.stack import Stack, eventually, parents
from tests.waterfalls import WATERFALL, parent_of, span_names, with_spans

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1_900)]

EVENT = {"name": "probe", "value": 1}
BAD = {"name": "probe", "value": 1e308, "unit": "TB"}
# What remains of a waterfall where the door and its root have no part in it.
ELSEWHERE = WATERFALL - Counter([names.ROOT, names.SERVER, names.SEND.format(topic=TOPICS[0])])
THEIR_SPAN = "their work"


def written_by(stack: Stack, write: Write, context: Headers) -> str:
    """Let a neighbour write an event into the first topic; returns the id of the event."""
    event_id = str(uuid.uuid4())
    value = msgspec.json.encode({**EVENT, "event_id": event_id})
    write(stack.kafka_bootstrap_servers, NORMALIZE.reads, value, context)
    return event_id


def check_that_it_goes_on(stack: Stack, event_id: str, trace_id: str, span_id: str) -> None:
    """Each hop hangs on the send before it, the first one on the neighbour's span."""
    (event,) = eventually(lambda: stack.events(f"event_id={event_id}"))
    trace = eventually(lambda: with_spans(stack, trace_id, *ELSEWHERE))
    assert event["trace_id"] == trace_id
    assert span_names(trace) == ELSEWHERE
    services = {process["serviceName"] for process in trace["processes"].values()}
    assert services == {hop.stage for hop in PIPELINE[1:]}
    assert parents(trace) - {span["spanID"] for span in trace["spans"]} == {span_id}
    for verb in (names.QUEUE, names.PROCESS):
        first = verb.format(topic=TOPICS[0])
        (span,) = [span for span in trace["spans"] if span["operationName"] == first]
        assert [reference["spanID"] for reference in span["references"]] == [span_id]
        for topic in TOPICS[1:]:
            assert parent_of(trace, verb.format(topic=topic)) == names.SEND.format(topic=topic)


@pytest.mark.parametrize("write", WRITERS)
def test_the_trace_of_whoever_writes_a_traceparent_goes_on_to_the_rows(
    stack: Stack, write: Write
) -> None:
    trace_id, span_id = uuid.uuid4().hex, secrets.token_hex(8)
    context = [("traceparent", f"00-{trace_id}-{span_id}-01"), ("tracestate", "vendor=1,other=a:b")]

    event_id = written_by(stack, write, context)

    check_that_it_goes_on(stack, event_id, trace_id, span_id)
    for topic in TOPICS[1:]:
        headers = read(stack.kafka_bootstrap_servers, topic, trace_id)
        assert headers["tracestate"] == "vendor=1,other=a:b"


def test_a_java_client_with_the_agent_is_followed_and_its_baggage_stays_behind(
    stack: Stack,
) -> None:
    """The agent's propagators are `tracecontext,baggage`: set in this order, by replacing."""
    trace_id, span_id = uuid.uuid4().hex, secrets.token_hex(8)
    context = [
        ("traceparent", f"00-{trace_id}-{span_id}-01"),
        ("tracestate", "congo=t61rcWkgMzE"),
        ("baggage", "userId=alice,serverNode=DF%2028;prop=1"),
    ]

    event_id = written_by(stack, by_librdkafka, context)

    check_that_it_goes_on(stack, event_id, trace_id, span_id)
    for topic in TOPICS[1:]:
        headers = read(stack.kafka_bootstrap_servers, topic, trace_id)
        assert headers.keys() == {names.TRACEPARENT, names.TRACESTATE, names.TRAIL}
        assert headers["tracestate"] == "congo=t61rcWkgMzE"


@pytest.mark.parametrize("topic", [*TOPICS, DEAD_LETTER_TOPICS[0]])
def test_a_consumer_of_any_topic_goes_on_in_the_trace_of_the_request(
    stack: Stack, topic: str
) -> None:
    is_dead = topic in DEAD_LETTER_TOPICS
    sent = stack.post(BAD if is_dead else EVENT, baggage="userId=alice")
    trace_id = sent.body["trace_id"]

    context = propagate.extract(read(stack.kafka_bootstrap_servers, topic, trace_id))
    work_on(stack, context)

    theirs = get_current_span(context).get_span_context()
    assert f"{theirs.trace_id:032x}" == trace_id
    assert theirs.is_remote
    assert theirs.trace_flags.sampled
    assert not baggage.get_all(context)
    # A dead letter keeps the context with which it came.
    sent_by = names.SEND.format(topic=TOPICS[0] if is_dead else topic)
    trace = eventually(lambda: with_spans(stack, trace_id, names.ROOT, sent_by, THEIR_SPAN))
    assert parent_of(trace, THEIR_SPAN) == sent_by
    (of_ours,) = [s for s in trace["spans"] if s["spanID"] == f"{theirs.span_id:016x}"]
    assert of_ours["operationName"] == sent_by


def work_on(stack: Stack, context: Any) -> None:
    """Do what an instrumented consumer does: a span of its own, in the trace of the record."""
    endpoint = stack.values["OTEL_EXPORTER_OTLP_ENDPOINT"]
    provider = TracerProvider(resource=Resource({"service.name": "neighbour"}))
    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=True)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("theirs").start_as_current_span(
        THEIR_SPAN, context, kind=SpanKind.CONSUMER
    ):
        pass
    provider.shutdown()
