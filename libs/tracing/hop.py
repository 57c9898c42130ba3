"""The spans of one hop: queue, process and send, once for every sampled origin of a record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

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
from libs.tracing.policy import Policy
from libs.tracing.settings import Shape
from libs.tracing.spans import Attributes, Emitter, Span

# Where a number has to stand and is not known.
UNKNOWN = -1

# Whether a record was handed out before: the store knows, a hop only where it cannot have been.
Redelivered = Literal["", "maybe", "yes"]


@dataclass(slots=True)
class Read:
    """How a record came into this stage; times in µs, 0 if not known, `sent_us` from its trail.

    `asked_us` and `fetched_us` are of the fetch that brought it.
    """

    topic: str
    partition: int
    offset: int
    group: str
    client_id: str
    sent_us: int
    appended_us: int
    polled_us: int
    started_us: int
    lag_records: int
    events: int
    origins: int
    attempt: int = 1
    asked_us: int = 0
    fetched_us: int = 0
    redelivered: Redelivered = ""


@dataclass(slots=True)
class Written:
    """How a record left this stage; where it is, is `UNKNOWN` when no ack came.

    `handed_us` is when its events were ready, `record_us` when the record that carries them was
    handed to the client, `drained_us` when it left the client's buffer; 0 if not known.
    """

    topic: str
    partition: int
    offset: int
    client_id: str
    handed_us: int
    acked_us: int
    events: int
    error_type: str = ""
    record_us: int = 0
    drained_us: int = 0


@dataclass(slots=True)
class Leg:
    """One sampled origin's way through this stage."""

    origin: Origin
    upstream: SpanRef
    glass: Glass | None
    shape: Shape
    process: SpanRef
    send_id: int

    @property
    def parent_id(self) -> int:
        """The root of the waterfall; in a chain, or a trace begun elsewhere, the span before."""
        return self.glass.root_id if self.glass and self.shape == "glass" else self.upstream.span_id

    @property
    def traceparent(self) -> str:
        """The context that the next record carries: our send span."""
        return format_traceparent(SpanRef(self.upstream.trace_id, self.send_id, is_sampled=True))


def legs(origins: Sequence[Origin], policy: Policy) -> dict[int, Leg]:
    """Open a leg for each sampled origin, by its index; nothing is built for the others.

    None at all where somebody else makes the spans of Kafka.
    """
    if policy.is_contrib:
        return {}
    return {
        index: leg
        for index, origin in enumerate(origins)
        if is_sampled(origin.traceparent) and (leg := open_leg(origin, policy.shape))
    }


def open_leg(origin: Origin, shape: Shape) -> Leg | None:
    """Open a leg after the span that the origin names; `None` if it names none."""
    upstream = parse_traceparent(origin.traceparent)
    return None if upstream is None else leg_after(upstream, origin, shape)


def leg_after(upstream: SpanRef, origin: Origin, shape: Shape) -> Leg:
    """Open a leg after a span, whatever the origin names."""
    return Leg(
        origin=origin,
        upstream=upstream,
        glass=parse_glass(origin.tracestate),
        shape=shape,
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
            attributes={**common, **_queue_attributes(read, queued_us)},
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
            # A link to its own parent would say nothing, and Jaeger would drop the parent for it.
            links=(leg.upstream,) if leg.upstream.span_id != leg.parent_id else (),
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
        names.MESSAGING_CLIENT_ID: written.client_id,
        names.RECORD_EVENTS: written.events,
    }
    if written.partition != UNKNOWN:
        attributes[names.MESSAGING_PARTITION] = str(written.partition)
    if written.offset != UNKNOWN:
        attributes[names.MESSAGING_OFFSET] = written.offset
    attributes |= _send_attributes(written)
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


def _queue_attributes(read: Read, queued_us: int) -> Attributes:
    attributes: Attributes = {names.QUEUE_SECONDS: (read.started_us - queued_us) / 1e6}
    if read.lag_records != UNKNOWN:
        attributes[names.LAG_RECORDS] = read.lag_records
    if not read.fetched_us:
        return attributes
    parts = _split(
        queued_us,
        (names.QUEUE_LOG_SECONDS, read.asked_us),
        (names.QUEUE_FETCH_SECONDS, read.fetched_us),
        (names.QUEUE_PREFETCH_SECONDS, read.polled_us),
        (names.QUEUE_SLOT_SECONDS, read.started_us),
    )
    return {**attributes, **parts}


def _send_attributes(written: Written) -> Attributes:
    if not written.drained_us:
        return {}
    return _split(
        written.handed_us,
        (names.SEND_AGGREGATE_SECONDS, written.record_us),
        (names.SEND_BUFFER_SECONDS, written.drained_us),
        (names.SEND_ACK_SECONDS, written.acked_us),
    )


def _split(begin_us: int, *parts: tuple[str, int]) -> Attributes:
    """Split the time from a moment on, by the moments at which its parts end.

    Each part begins where the one before it ends, and none is negative, whatever the clocks say.
    """
    end_us = max(parts[-1][1], begin_us)
    attributes: Attributes = {}
    reached_us = begin_us
    for name, moment_us in parts:
        ends_us = min(max(moment_us, reached_us), end_us)
        attributes[name] = (ends_us - reached_us) / 1e6
        reached_us = ends_us
    return attributes


def _reading_attributes(read: Read) -> Attributes:
    attributes: Attributes = {
        names.MESSAGING_SYSTEM: "kafka",
        names.MESSAGING_DESTINATION: read.topic,
        names.MESSAGING_PARTITION: str(read.partition),
        names.MESSAGING_OFFSET: read.offset,
        names.MESSAGING_GROUP: read.group,
        names.MESSAGING_CLIENT_ID: read.client_id,
    }
    if read.redelivered:
        attributes[names.REDELIVERED] = read.redelivered
    return attributes
