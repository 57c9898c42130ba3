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
from libs.tracing.facts import (
    UNKNOWN,
    Read,
    Written,
    clock_skew_us,
    queue_parts,
    queued_us,
    send_parts,
)
from libs.tracing.policy import Policy
from libs.tracing.settings import Shape
from libs.tracing.spans import Attributes, Emitter, Span

_QUEUE_NAMES = {
    "log": names.QUEUE_LOG_SECONDS,
    "fetch": names.QUEUE_FETCH_SECONDS,
    "prefetch": names.QUEUE_PREFETCH_SECONDS,
    "slot": names.QUEUE_SLOT_SECONDS,
}
_SEND_NAMES = {
    "aggregate": names.SEND_AGGREGATE_SECONDS,
    "buffer": names.SEND_BUFFER_SECONDS,
    "ack": names.SEND_ACK_SECONDS,
}


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


def exemplar(origins: Sequence[Origin]) -> SpanRef | None:
    """The span that stands for a measure of these origins: the first sampled one's, if any."""
    for origin in origins:
        if is_sampled(origin.traceparent):
            return parse_traceparent(origin.traceparent)
    return None


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
    common = _reading_attributes(read)
    emitter.emit(
        Span(
            name=names.QUEUE.format(topic=read.topic),
            ref=SpanRef(leg.process.trace_id, new_span_id(), is_sampled=True),
            parent_id=leg.parent_id,
            start_us=queued_us(read),
            end_us=read.started_us,
            attributes={**common, **_queue_attributes(read)},
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
    parts = send_parts(written)
    attributes |= {_SEND_NAMES[part]: took_s for part, took_s in parts.items()}
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


def _queue_attributes(read: Read) -> Attributes:
    attributes: Attributes = {names.QUEUE_SECONDS: (read.started_us - queued_us(read)) / 1e6}
    if read.lag_records != UNKNOWN:
        attributes[names.LAG_RECORDS] = read.lag_records
    if skew_us := clock_skew_us(read):
        attributes[names.CLOCK_SKEW_SECONDS] = skew_us / 1e6
    parts = queue_parts(read)
    return {**attributes, **{_QUEUE_NAMES[part]: took_s for part, took_s in parts.items()}}


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
