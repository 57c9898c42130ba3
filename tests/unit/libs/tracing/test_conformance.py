"""The checker of captured streams: passes what the stages make, and finds each planted mistake."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from libs.tracing import (
    Answer,
    Ending,
    Reading,
    begin,
    host_id,
    legs,
    names,
    report_hop,
    report_read,
    report_request,
    report_root,
    report_store,
)
from libs.tracing.otlp import Encoder
from libs.tracing.settings import ExportSettings
from libs.tracing.spans import Source
from services.topology import INGEST, PIPELINE, SINK, TOPICS
from tests.collector import Received, received
from tests.conformance import stream_violations
from tests.emitted import Emitted
from tests.unit.libs.tracing.test_waterfall import READ, STORED, WRITTEN, FakeOrigin

CALLER = bytes([7] * 16), bytes([7] * 8)
FOREIGN = "00-" + "07" * 16 + "-" + "07" * 8 + "-01"
ROOT, COMMIT = names.ROOT, names.COMMIT
SEND, QUEUE, PROCESS = "send events.raw", "queue events.raw", "process events.raw"
Stream = dict[str, Received]


def as_received(emitted: Emitted) -> list[Received]:
    """Encode each span as the stage does that its name tells of."""
    for span in emitted.spans:
        span.source = span.source or Source(stage_of(span.name), "0", host_id())
    own = Source("ingest", "ingest-0", host_id())
    encoded = Encoder(own, "1.2.3", ExportSettings()).encode(emitted.spans)
    return received(ExportTraceServiceRequest.FromString(encoded))


def stage_of(name: str) -> str:
    if name == names.SERVER:
        return INGEST.stage
    verb, _, topic = name.partition(" ")
    sides = {hop.writes if verb == "send" else hop.reads: hop.stage for hop in PIPELINE}
    return sides[topic] if topic in TOPICS else SINK.stage


def hops(emitted: Emitted, origin: FakeOrigin) -> FakeOrigin:
    """Report the hops from the first topic to the last one."""
    for before, hop in pairwise(PIPELINE[:-1]):
        (leg,) = legs([origin], emitted.policy).values()
        read = replace(READ, topic=before.writes, group=hop.stage)
        report_hop(
            emitted, [leg], Reading(read), replace(WRITTEN, topic=hop.writes, acked_us=7_000)
        )
        origin = replace(origin, traceparent=leg.traceparent)
    return origin


def end(emitted: Emitted, origin: FakeOrigin) -> None:
    (leg,) = legs([origin], emitted.policy).values()
    read = replace(READ, topic=SINK.reads, group=SINK.stage)
    report_read(emitted, leg, Reading(read), 9_900)
    report_store(emitted, leg, STORED)
    report_root(emitted, leg, Ending(stored=3), 9_900)


def stream(shape: str = "glass") -> Stream:
    """The spans of one request, by their names."""
    emitted = Emitted(shape=shape)
    request = begin(1_000, is_sampled=True)
    answer = Answer(202, 2_600, 100, events=3, tenant="default")
    report_request(emitted, request, answer, [(77, WRITTEN)])
    end(emitted, hops(emitted, FakeOrigin(request.traceparent(77), request.tracestate)))
    return {one.span.name: one for one in as_received(emitted)}


@pytest.mark.parametrize("shape", ["glass", "chain"])
def test_what_the_stages_make_conforms(shape: str) -> None:
    made = stream(shape)

    assert len(made) == 14
    assert list(stream_violations([*made.values()])) == []


def foreign() -> list[Received]:
    emitted = Emitted()
    end(emitted, hops(emitted, FakeOrigin(FOREIGN, "")))
    return as_received(emitted)


def test_a_trace_that_began_elsewhere_conforms_if_its_beginning_is_known() -> None:
    assert list(stream_violations(foreign(), theirs={CALLER})) == []
    assert "queue events.raw: hangs on a span that nobody has exported" in list(
        stream_violations(foreign())
    )


def test_a_link_to_a_client_conforms_if_the_client_is_known() -> None:
    made = stream()
    made[names.SERVER].span.links.add(trace_id=CALLER[0], span_id=CALLER[1])

    assert list(stream_violations([*made.values()], theirs={CALLER})) == []
    assert list(stream_violations([*made.values()])) == [
        f"{names.SERVER}: is linked to ['a span that nobody has exported'], must be to none"
    ]


def without(span: Span, name: str) -> None:
    (at,) = [number for number, one in enumerate(span.attributes) if one.key == name]
    del span.attributes[at]


def put(span: Span, name: str, value: object) -> None:
    """Set an attribute, which it may have already."""
    if any(one.key == name for one in span.attributes):
        without(span, name)
    attribute = span.attributes.add(key=name)
    if isinstance(value, int):
        attribute.value.int_value = value
    else:
        attribute.value.string_value = str(value)


def an_unknown_attribute(made: Stream) -> None:
    put(made[COMMIT].span, "db.secret", "x")


def a_missing_attribute(made: Stream) -> None:
    without(made[SEND].span, names.MESSAGING_CLIENT_ID)


def a_wrong_type(made: Stream) -> None:
    put(made[PROCESS].span, names.ATTEMPT, "1")


def a_wrong_value(made: Stream) -> None:
    put(made[QUEUE].span, names.MESSAGING_DESTINATION, "events.decorated")


def a_wrong_kind(made: Stream) -> None:
    made[COMMIT].span.kind = Span.SPAN_KIND_SERVER


def an_unknown_span(made: Stream) -> None:
    made[COMMIT].span.name = "poll events.raw"


def a_wrong_service(made: Stream) -> None:
    made[COMMIT].resource[names.SERVICE_NAME] = "glass"


def a_resource_that_says_too_little(made: Stream) -> None:
    del made[COMMIT].resource[names.HOST_ID]


def another_scope(made: Stream) -> None:
    made[COMMIT].origin.scope.name = "aiokafka"


def another_schema(made: Stream) -> None:
    origin = replace(made[COMMIT].origin, schema_urls=frozenset([""]))
    made[COMMIT] = replace(made[COMMIT], origin=origin)


def a_wrong_parent(made: Stream) -> None:
    made[COMMIT].span.parent_span_id = made[ROOT].span.span_id


def an_unknown_parent(made: Stream) -> None:
    made[COMMIT].span.parent_span_id = b"nobodys."


def no_parent(made: Stream) -> None:
    made[SEND].span.parent_span_id = b""


def a_parent_over_the_root(made: Stream) -> None:
    made[ROOT].span.parent_span_id = made[COMMIT].span.span_id


def a_missing_link(made: Stream) -> None:
    del made[PROCESS].span.links[:]


def a_link_too_many(made: Stream) -> None:
    made[COMMIT].span.links.add(trace_id=made[SEND].span.trace_id, span_id=made[SEND].span.span_id)


def a_link_to_another_span(made: Stream) -> None:
    made[PROCESS].span.links[0].span_id = made[ROOT].span.span_id


def a_link_to_another_record(made: Stream) -> None:
    put(made[SEND].span, names.MESSAGING_OFFSET, 18)


def no_root(made: Stream) -> None:
    del made[ROOT]


def two_roots(made: Stream) -> None:
    again = Span()
    again.CopyFrom(made[ROOT].span)
    again.span_id = b"another."
    made["again"] = replace(made[ROOT], span=again)


def a_span_twice(made: Stream) -> None:
    made["again"] = made[COMMIT]


def an_end_before_the_beginning(made: Stream) -> None:
    made[COMMIT].span.end_time_unix_nano = made[COMMIT].span.start_time_unix_nano


def an_error_without_its_type(made: Stream) -> None:
    made[COMMIT].span.status.code = Status.STATUS_CODE_ERROR
    made[COMMIT].span.status.message = "it failed"


def an_error_without_its_text(made: Stream) -> None:
    made[COMMIT].span.status.code = Status.STATUS_CODE_ERROR
    put(made[COMMIT].span, names.ERROR_TYPE, "OSError")


def half_of_it_told_afterwards(made: Stream) -> None:
    made[COMMIT].span.attributes.add(key=names.RETRO).value.bool_value = True


def an_event(made: Stream) -> None:
    made[COMMIT].span.events.add(name="exception")


PLANTED: list[tuple[Callable[[Stream], None], str]] = [
    (an_unknown_attribute, "COMMIT: has db.secret, which is not declared"),
    (a_missing_attribute, "send events.raw: lacks messaging.client.id"),
    (a_wrong_type, "process events.raw: ttg.attempt is '1', must be int"),
    (a_wrong_value, "queue events.raw: messaging.destination.name is 'events.decorated'"),
    (a_wrong_kind, "COMMIT: is SERVER, must be CLIENT"),
    (an_unknown_span, "poll events.raw: no such span is declared"),
    (a_wrong_service, "COMMIT: is of glass, must be of ('sink',)"),
    (a_resource_that_says_too_little, "resource of sink: lacks host.id"),
    (another_scope, "sink: its scope is 'aiokafka' '1.2.3'"),
    (another_schema, "sink: its schema is ['']"),
    (a_wrong_parent, "COMMIT: hangs on time to glass, must hang on process events.decorated"),
    (an_unknown_parent, "COMMIT: hangs on a span that nobody has exported"),
    (no_parent, "send events.raw: has no parent, must have POST /v1/events"),
    (a_parent_over_the_root, "time to glass: hangs on COMMIT, must hang on none"),
    (a_missing_link, "process events.raw: is linked to [], must be to send events.raw"),
    (a_link_too_many, "COMMIT: is linked to ['send events.raw'], must be to none"),
    (a_link_to_another_span, "process events.raw: is linked to ['time to glass'], must be to"),
    (a_link_to_another_record, "process events.raw: follows the send of another record"),
    (no_root, "a trace of ours has 0 roots"),
    (two_roots, "a trace of ours has 2 roots"),
    (a_span_twice, "was exported 2 times"),
    (an_end_before_the_beginning, "COMMIT: ends before it has begun"),
    (an_error_without_its_type, "COMMIT: its status and error.type contradict each other"),
    (an_error_without_its_text, "COMMIT: its status and the text of it contradict each other"),
    (half_of_it_told_afterwards, "ttg.retro: is on some spans of a trace and not on others"),
    (an_event, "COMMIT: has events, or has lost something"),
]


@pytest.mark.parametrize(("plant", "says"), PLANTED, ids=[plant.__name__ for plant, _ in PLANTED])
def test_a_planted_mistake_is_found(plant: Callable[[Stream], None], says: str) -> None:
    made = stream()

    plant(made)

    found = list(stream_violations([*made.values()]))
    assert any(says in violation for violation in found), found


def test_in_a_chain_a_hop_that_hangs_on_the_root_is_found() -> None:
    made = stream("chain")

    made[QUEUE].span.parent_span_id = made[ROOT].span.span_id

    assert list(stream_violations([*made.values()])) == [
        "queue events.raw: hangs on time to glass, must hang on send events.raw"
    ]
