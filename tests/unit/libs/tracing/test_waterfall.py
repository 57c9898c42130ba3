"""The spans of one request through all stages, as one waterfall."""

from __future__ import annotations

from dataclasses import dataclass, replace

from libs.tracing import (
    Answer,
    Ending,
    Read,
    Span,
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


@dataclass(frozen=True)
class FakeOrigin:
    traceparent: str
    tracestate: str
    tenant: str = "default"
    count: int = 3
    total: int = 3
    dead: int = 0
    is_last: bool = True


class Collected:
    def __init__(self) -> None:
        self.spans: list[Span] = []

    def emit(self, span: Span) -> None:
        self.spans.append(span)

    def named(self, name: str) -> Span:
        (span,) = [span for span in self.spans if span.name == name]
        return span


READ = Read(
    topic="events.raw",
    partition=3,
    offset=17,
    group="normalize",
    client_id="normalize-0",
    sent_us=2_400,
    appended_us=2_000,
    started_us=5_000,
    lag_records=0,
    events=3,
    origins=1,
)
WRITTEN = Written("events.raw", 3, 17, "ingest-0", 1_500, 2_500, events=3)
SEND_ID = 77


def request_origin(*, is_sampled: bool = True) -> FakeOrigin:
    request = begin(1_000, is_sampled=is_sampled)
    return FakeOrigin(request.traceparent(SEND_ID), request.tracestate)


def waterfall() -> Collected:
    collected = Collected()
    request = begin(1_000, is_sampled=True)
    answer = Answer(202, 2_600, 100, events=3, tenant="default")
    report_request(collected, request, answer, [(SEND_ID, WRITTEN)])
    origin = FakeOrigin(request.traceparent(SEND_ID), request.tracestate)
    leg = legs([origin])[0]
    onward = replace(WRITTEN, topic="events.normalized", handed_us=6_000, acked_us=7_000)
    report_hop(collected, leg, READ, onward)
    last = legs([replace(origin, traceparent=leg.traceparent)])[0]
    report_read(collected, last, replace(READ, topic="events.decorated"), 9_900)
    report_store(collected, last, Stored("ttg", "event", 8_000, 8_500, 9_000, 9_900, rows=3))
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
    assert root.is_of_pipeline
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
    collected = Collected()
    leg = legs([request_origin()])[0]

    report_read(collected, leg, replace(READ, appended_us=9_000_000), 9_000)

    queue = collected.named("queue events.raw")
    assert queue.end_us - queue.start_us == 0


def test_an_unsampled_origin_opens_no_leg() -> None:
    assert legs([request_origin(is_sampled=False)]) == {}


def test_an_unsampled_request_emits_nothing() -> None:
    collected = Collected()
    request = begin(1_000, is_sampled=False)

    report_request(collected, request, Answer(202, 2_000, 1, 1, "default"), [(SEND_ID, WRITTEN)])

    assert collected.spans == []


def test_a_clients_context_is_a_link_and_never_a_parent() -> None:
    collected = Collected()
    caller = parse_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    request = begin(1_000, is_sampled=True, caller=caller)

    report_request(collected, request, Answer(202, 2_000, 1, 1, "default"), [])

    (server,) = collected.spans
    assert server.links == (caller,)
    assert server.ref.trace_id != 0x4BF92F3577B34DA6A3CE929D0E0E4736


def test_a_trace_begun_elsewhere_goes_on_as_a_chain_without_a_root_of_ours() -> None:
    collected = Collected()
    foreign = FakeOrigin("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "")
    leg = legs([foreign])[0]

    report_hop(collected, leg, READ, WRITTEN)
    report_root(collected, leg, Ending(stored=1), 9_000)

    assert collected.named("process events.raw").parent_id == 0x00F067AA0BA902B7
    assert "time to glass" not in {span.name for span in collected.spans}


def test_a_dead_lettered_event_fails_the_root_and_names_the_reason() -> None:
    collected = Collected()

    report_root(collected, legs([request_origin()])[0], Ending(2, 0, 1, "bad unit"), 9_000)

    (root,) = collected.spans
    assert root.error_type == "dead_lettered"
    assert root.attributes["ttg.dead_letter.reason"] == "bad unit"


def test_a_send_without_an_ack_is_an_error_without_an_offset() -> None:
    collected = Collected()
    lost = replace(WRITTEN, offset=-1, error_type="timeout")
    request = begin(1_000, is_sampled=True)

    report_request(collected, request, Answer(503, 2, 1, 1, "default"), [(SEND_ID, lost)])

    send = collected.named("send events.raw")
    assert send.error_type == "timeout"
    assert "messaging.kafka.offset" not in send.attributes
