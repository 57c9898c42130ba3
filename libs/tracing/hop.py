"""The spans of one hop: queue, process and send, once for every sampled origin of a record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opentelemetry.trace import SpanKind

from libs.tracing import names
from libs.tracing.carrier import Origin
from libs.tracing.context import (
    Glass,
    SpanRef,
    format_traceparent,
    is_sampled,
    new_span_id,
    parse_glass,
    parse_traceparent,
)
from libs.tracing.spans import Attributes, Emitter, Span


@dataclass(slots=True)
class Read:
    """How a record came into this stage; times in µs, `sent_us` from its trail, else 0."""

    topic: str
    partition: int
    offset: int
    group: str
    client_id: str
    sent_us: int
    appended_us: int
    started_us: int
    lag_records: int
    events: int
    origins: int
    attempt: int = 1


@dataclass(slots=True)
class Written:
    """How a record left this stage; `offset` is -1 when no ack came."""

    topic: str
    partition: int
    offset: int
    client_id: str
    handed_us: int
    acked_us: int
    events: int
    error_type: str = ""


@dataclass(slots=True)
class Leg:
    """One sampled origin's way through this stage."""

    origin: Origin
    upstream: SpanRef
    glass: Glass | None
    process: SpanRef
    send_id: int

    @property
    def parent_id(self) -> int:
        """The root of the waterfall; in a trace begun elsewhere, the span that sent to us."""
        return self.glass.root_id if self.glass else self.upstream.span_id

    @property
    def traceparent(self) -> str:
        """The context that the next record carries: our send span."""
        return format_traceparent(SpanRef(self.upstream.trace_id, self.send_id, is_sampled=True))


def legs(origins: Sequence[Origin]) -> dict[int, Leg]:
    """Open a leg for each sampled origin, by its index; nothing is built for the others."""
    return {
        index: leg
        for index, origin in enumerate(origins)
        if is_sampled(origin.traceparent) and (leg := _leg(origin))
    }


def _leg(origin: Origin) -> Leg | None:
    upstream = parse_traceparent(origin.traceparent)
    if upstream is None:
        return None
    return Leg(
        origin=origin,
        upstream=upstream,
        glass=parse_glass(origin.tracestate),
        process=SpanRef(upstream.trace_id, new_span_id(), is_sampled=True),
        send_id=new_span_id(),
    )


def report_read(
    emitter: Emitter, leg: Leg, read: Read, ended_us: int, *, error: tuple[str, str] = ("", "")
) -> None:
    """Emit the queue and the process span; `error` is the type and the text of a failure."""
    # The broker stamps whole milliseconds, so the hand-over can be the later of the two.
    queued_us = min(max(read.sent_us, read.appended_us), read.started_us)
    common = _reading_attributes(read)
    emitter.emit(
        Span(
            name=names.QUEUE.format(topic=read.topic),
            ref=SpanRef(leg.process.trace_id, new_span_id(), is_sampled=True),
            parent_id=leg.parent_id,
            start_us=queued_us,
            end_us=read.started_us,
            attributes={
                **common,
                names.QUEUE_SECONDS: (read.started_us - queued_us) / 1e6,
                names.LAG_RECORDS: read.lag_records,
            },
        )
    )
    emitter.emit(
        Span(
            name=names.PROCESS.format(topic=read.topic),
            ref=leg.process,
            parent_id=leg.parent_id,
            start_us=read.started_us,
            end_us=ended_us,
            kind=SpanKind.CONSUMER,
            attributes={
                **common,
                names.MESSAGING_OPERATION_NAME: "process",
                names.MESSAGING_OPERATION_TYPE: "process",
                names.ORIGIN_EVENTS: leg.origin.count,
                names.RECORD_EVENTS: read.events,
                names.RECORD_ORIGINS: read.origins,
                names.ATTEMPT: read.attempt,
            },
            links=(leg.upstream,),
            error_type=error[0],
            error_text=error[1],
        )
    )


def report_hop(emitter: Emitter, leg: Leg, read: Read, written: Written) -> None:
    """Emit all of a hop that wrote one record."""
    report_read(emitter, leg, read, written.acked_us)
    emitter.emit(send_span(leg.process, leg.send_id, written))


def send_span(parent: SpanRef, send_id: int, written: Written) -> Span:
    """Make the span from the hand-over of a record to the broker's ack."""
    attributes: Attributes = {
        names.MESSAGING_SYSTEM: "kafka",
        names.MESSAGING_OPERATION_NAME: "send",
        names.MESSAGING_OPERATION_TYPE: "send",
        names.MESSAGING_DESTINATION: written.topic,
        names.MESSAGING_PARTITION: str(written.partition),
        names.MESSAGING_CLIENT_ID: written.client_id,
        names.RECORD_EVENTS: written.events,
    }
    if written.offset >= 0:
        attributes[names.MESSAGING_OFFSET] = written.offset
    return Span(
        name=names.SEND.format(topic=written.topic),
        ref=SpanRef(parent.trace_id, send_id, is_sampled=True),
        parent_id=parent.span_id,
        start_us=written.handed_us,
        end_us=written.acked_us,
        kind=SpanKind.PRODUCER,
        attributes=attributes,
        error_type=written.error_type,
    )


def _reading_attributes(read: Read) -> Attributes:
    return {
        names.MESSAGING_SYSTEM: "kafka",
        names.MESSAGING_DESTINATION: read.topic,
        names.MESSAGING_PARTITION: str(read.partition),
        names.MESSAGING_OFFSET: read.offset,
        names.MESSAGING_GROUP: read.group,
        names.MESSAGING_CLIENT_ID: read.client_id,
    }
