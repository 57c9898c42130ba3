"""The spans of one request through all stages, as one waterfall."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from libs.tracing import (
    Answer,
    Ending,
    Operation,
    Read,
    Reading,
    Stored,
    Written,
    begin,
    legs,
    parse_traceparent,
    report_hop,
    report_read,
    report_request,
    report_root,
    report_store,
)
from tests.emitted import Emitted


@dataclass(frozen=True)
class FakeOrigin:
    traceparent: str
    tracestate: str
    tenant: str = "default"
    received_us: int = 1_000
    admitted_us: int = 500
    count: int = 3
    total: int = 3
    dead: int = 0
    is_last: bool = True


READ = Read(
    topic="events.raw",
    partition=3,
    offset=17,
    group="normalize",
    client_id="normalize-0",
    sent_us=2_400,
    appended_us=2_000,
    polled_us=4_000,
    started_us=5_000,
    lag_records=0,
    events=3,
    origins=1,
)
STORED = Stored(
    "ttg",
    "event",
    rows=3,
    operations=[
        Operation("COPY", 8_000, 8_500),
        Operation("INSERT", 8_500, 9_000),
        Operation("COMMIT", 9_000, 9_900),
    ],
)
WRITTEN = Written("events.raw", 3, 17, "ingest-0", 1_500, 2_500, events=3)
SEND_ID = 77


def request_origin(*, is_sampled: bool = True) -> FakeOrigin:
    request = begin(1_000, is_sampled=is_sampled)
    return FakeOrigin(request.traceparent(SEND_ID), request.tracestate)


def waterfall() -> Emitted:
    collected = Emitted()
    request = begin(1_000, is_sampled=True)
    answer = Answer(202, 2_600, 100, events=3, tenant="default")
    report_request(collected, request, answer, [(SEND_ID, WRITTEN)])
    origin = FakeOrigin(request.traceparent(SEND_ID), request.tracestate)
    leg = legs([origin], Emitted().policy)[0]
    onward = replace(WRITTEN, topic="events.normalized", handed_us=6_000, acked_us=7_000)
    report_hop(collected, [leg], Reading(READ), onward)
    last = legs([replace(origin, traceparent=leg.traceparent)], Emitted().policy)[0]
    report_read(collected, last, Reading(replace(READ, topic="events.decorated")), 9_900)
    report_store(collected, last, STORED)
    report_root(collected, last, Ending(stored=3), 9_900)
    return collected


def test_every_span_hangs_on_another_of_the_same_trace() -> None:
    spans = waterfall().spans
    known = {span.ref.span_id for span in spans}

    assert len({span.ref.trace_id for span in spans}) == 1
    assert len(known) == len(spans)
    assert [span.name for span in spans if span.parent_id not in known] == ["time to glass"]


def test_the_root_spans_from_the_door_to_the_commit_and_belongs_to_the_pipeline() -> None:
    root = waterfall().named("time to glass")

    assert (root.start_us, root.end_us) == (1_000, 9_900)
    assert root.source is not None
    assert root.source.service == "pipeline"
    assert root.parent_id == 0
    assert root.attributes["ttg.events.stored"] == 3


def test_queue_and_process_spans_are_children_of_the_root() -> None:
    collected = waterfall()
    root = collected.named("time to glass")

    children = {s.name for s in collected.spans if s.parent_id == root.ref.span_id}
    assert children == {
        "POST /v1/events",
        "queue events.raw",
        "process events.raw",
        "queue events.decorated",
        "process events.decorated",
    }


def test_a_process_span_links_to_the_send_that_made_its_record() -> None:
    collected = waterfall()

    assert collected.named("process events.raw").links == (collected.named("send events.raw").ref,)
    assert collected.named("process events.decorated").links == (
        collected.named("send events.normalized").ref,
    )


def test_a_queue_starts_at_the_later_of_hand_over_and_append() -> None:
    assert waterfall().named("queue events.raw").start_us == 2_400


def test_a_queue_is_never_negative() -> None:
    collected = Emitted()
    leg = legs([request_origin()], Emitted().policy)[0]

    report_read(collected, leg, Reading(replace(READ, appended_us=9_000_000)), 9_000)

    queue = collected.named("queue events.raw")
    assert queue.end_us - queue.start_us == 0


def test_an_unsampled_origin_opens_no_leg() -> None:
    assert legs([request_origin(is_sampled=False)], Emitted().policy) == {}


def test_an_unsampled_request_emits_nothing() -> None:
    collected = Emitted()
    request = begin(1_000, is_sampled=False)

    report_request(collected, request, Answer(202, 2_000, 1, 1, "default"), [(SEND_ID, WRITTEN)])

    assert collected.spans == []


def test_a_clients_context_is_a_link_and_never_a_parent() -> None:
    collected = Emitted()
    caller = parse_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    request = begin(1_000, is_sampled=True, caller=caller)

    report_request(collected, request, Answer(202, 2_000, 1, 1, "default"), [])

    (server,) = collected.spans
    assert server.links == (caller,)
    assert server.ref.trace_id != 0x4BF92F3577B34DA6A3CE929D0E0E4736


def test_a_trace_begun_elsewhere_goes_on_as_a_chain_without_a_root_of_ours() -> None:
    collected = Emitted()
    foreign = FakeOrigin("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "")
    leg = legs([foreign], Emitted().policy)[0]

    report_hop(collected, [leg], Reading(READ), WRITTEN)
    report_root(collected, leg, Ending(stored=1), 9_000)

    assert collected.named("process events.raw").parent_id == 0x00F067AA0BA902B7
    assert "time to glass" not in {span.name for span in collected.spans}


def test_a_dead_lettered_event_fails_the_root_and_names_the_reason() -> None:
    collected = Emitted()

    report_root(
        collected, legs([request_origin()], Emitted().policy)[0], Ending(2, 0, 1, "bad unit"), 9_000
    )

    (root,) = collected.spans
    assert root.error_type == "dead_lettered"
    assert root.attributes["ttg.dead_letter.reason"] == "bad unit"


def test_a_send_without_an_ack_is_an_error_without_an_offset() -> None:
    collected = Emitted()
    lost = replace(WRITTEN, offset=-1, error_type="timeout")
    request = begin(1_000, is_sampled=True)

    report_request(collected, request, Answer(503, 2, 1, 1, "default"), [(SEND_ID, lost)])

    send = collected.named("send events.raw")
    assert send.error_type == "timeout"
    assert "messaging.kafka.offset" not in send.attributes


def test_in_a_chain_each_hop_hangs_on_the_send_before_it() -> None:
    chained = Emitted(shape="chain")
    origin = request_origin()
    leg = legs([origin], chained.policy)[0]
    report_hop(chained, [leg], Reading(READ), replace(WRITTEN, topic="events.normalized"))
    last = legs([replace(origin, traceparent=leg.traceparent)], chained.policy)[0]
    report_read(chained, last, Reading(replace(READ, topic="events.normalized")), 9_900)
    report_root(chained, last, Ending(stored=3), 9_900)

    sent = chained.named("send events.normalized").ref.span_id
    assert chained.named("queue events.raw").parent_id == SEND_ID
    assert chained.named("process events.raw").parent_id == SEND_ID
    assert chained.named("queue events.normalized").parent_id == sent
    assert chained.named("process events.normalized").parent_id == sent
    assert chained.named("time to glass").parent_id == 0
    assert chained.named("time to glass").attributes["ttg.shape"] == "chain"


def test_where_somebody_else_makes_the_spans_of_kafka_no_leg_is_opened() -> None:
    assert legs([request_origin()], Emitted(kafka="contrib").policy) == {}


def test_a_queue_is_split_into_parts_that_add_up_and_are_never_negative() -> None:
    emitted = Emitted()
    leg = legs([request_origin()], emitted.policy)[0]
    # The fetch was asked for before the record was there, and a clock was set back.
    moments = {"asked_us": 1_000, "fetched_us": 3_400, "polled_us": 3_000}

    report_read(emitted, leg, Reading(replace(READ, **moments)), 9_000)

    attributes = emitted.named("queue events.raw").attributes
    names = ("log", "fetch", "prefetch", "slot")
    parts = [attributes[f"ttg.queue.{name}.duration"] for name in names]
    assert parts == [0.0, 0.001, 0.0, 0.0016]
    assert attributes["ttg.queue.duration"] == 0.0026


def test_a_send_is_split_into_aggregation_buffer_and_ack() -> None:
    emitted = Emitted()
    request = begin(1_000, is_sampled=True)
    written = replace(WRITTEN, record_us=1_900, drained_us=2_100)

    report_request(emitted, request, Answer(202, 2, 1, 1, "default"), [(SEND_ID, written)])

    attributes = emitted.named("send events.raw").attributes
    parts = [attributes[f"ttg.send.{part}.duration"] for part in ("aggregate", "buffer", "ack")]
    assert parts == [0.0004, 0.0002, 0.0004]


def test_clocks_that_disagree_do_not_hide_a_wait_and_are_told() -> None:
    emitted = Emitted()
    leg = legs([request_origin()], emitted.policy)[0]
    ahead = replace(READ, sent_us=10_000_000, appended_us=500_000, started_us=1_000_000)

    report_read(emitted, leg, Reading(ahead), 1_100_000)

    queue = emitted.named("queue events.raw")
    assert queue.start_us == 500_999
    assert queue.attributes["ttg.clock.skew"] == pytest.approx(9.499001)
