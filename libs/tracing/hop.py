"""The spans of one hop: queue, process and send, once for every sampled origin of a record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

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
from libs.tracing.spans import Attributes, Emitter, Shared, Span

# Topics, partitions and replicas that one process sees at a time, with room to spare.
_PLACES_MAX = 1_024
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

    None at all where nobody makes the spans of Kafka, or somebody else does.
    """
    if not policy.has_kafka_spans:
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


class Reading:
    """How one record was read, and what the spans that tell so say for all of its origins."""

    __slots__ = ("process", "queue", "read")

    def __init__(self, read: Read) -> None:
        self.read = read
        place = (read.topic, read.partition, read.group, read.client_id)
        of_record: Attributes = {names.MESSAGING_OFFSET: read.offset}
        if read.redelivered:
            of_record[names.REDELIVERED] = read.redelivered
        self.queue = Shared({**of_record, **_queue_attributes(read)}, _waiting(*place))
        self.process = Shared(
            {
                **of_record,
                names.RECORD_EVENTS: read.events,
                names.RECORD_ORIGINS: read.origins,
                names.ATTEMPT: read.attempt,
            },
            _processing(*place),
        )


def report_read(
    emitter: Emitter,
    leg: Leg,
    reading: Reading,
    ended_us: int,
    *,
    error: tuple[str, str] = ("", ""),
) -> None:
    """Emit the queue and the process span; `error` is the type and the text of a failure."""
    read, parent_id = reading.read, leg.parent_id
    emitter.emit(
        Span(
            name=_named(names.QUEUE, read.topic),
            ref=SpanRef(leg.process.trace_id, new_span_id(), is_sampled=True),
            parent_id=parent_id,
            start_us=queued_us(read),
            end_us=read.started_us,
            shared=reading.queue,
        )
    )
    emitter.emit(
        Span(
            name=_named(names.PROCESS, read.topic),
            ref=leg.process,
            parent_id=parent_id,
            start_us=read.started_us,
            end_us=ended_us,
            kind=SpanKind.CONSUMER,
            shared=reading.process,
            own={names.ORIGIN_EVENTS: leg.origin.count},
            # A link to its own parent would say nothing, and Jaeger would drop the parent for it.
            links=(leg.upstream,) if leg.upstream.span_id != parent_id else (),
            error_type=error[0],
            error_text=error[1],
        )
    )


def report_hop(emitter: Emitter, legs: Iterable[Leg], reading: Reading, written: Written) -> None:
    """Emit all of a hop that wrote one record, for each of its sampled origins."""
    sent = send_attributes(written)
    for leg in legs:
        report_read(emitter, leg, reading, written.acked_us)
        emitter.emit(send_span(leg.process, leg.send_id, written, sent))


def send_span(parent: SpanRef, send_id: int, written: Written, shared: Shared) -> Span:
    """Make the span from the hand-over of a record to the broker's ack."""
    return Span(
        name=_named(names.SEND, written.topic),
        ref=SpanRef(parent.trace_id, send_id, is_sampled=True),
        parent_id=parent.span_id,
        start_us=written.handed_us,
        end_us=written.acked_us,
        kind=SpanKind.PRODUCER,
        shared=shared,
        error_type=written.error_type,
    )


def send_attributes(written: Written) -> Shared:
    """Make the attributes of the send spans of a record."""
    attributes: Attributes = {names.RECORD_EVENTS: written.events}
    if written.offset != UNKNOWN:
        attributes[names.MESSAGING_OFFSET] = written.offset
    for part, took_s in send_parts(written).items():
        attributes[_SEND_NAMES[part]] = took_s
    return Shared(attributes, _sending(written.topic, written.partition, written.client_id))


@lru_cache(maxsize=_PLACES_MAX)
def _waiting(topic: str, partition: int, group: str, client_id: str) -> Shared:
    return Shared(
        {
            names.MESSAGING_SYSTEM: "kafka",
            names.MESSAGING_DESTINATION: topic,
            names.MESSAGING_PARTITION: str(partition),
            names.MESSAGING_GROUP: group,
            names.MESSAGING_CLIENT_ID: client_id,
        }
    )


@lru_cache(maxsize=_PLACES_MAX)
def _processing(topic: str, partition: int, group: str, client_id: str) -> Shared:
    operation: Attributes = {
        names.MESSAGING_OPERATION_NAME: "process",
        names.MESSAGING_OPERATION_TYPE: "process",
    }
    return Shared(operation, _waiting(topic, partition, group, client_id))


@lru_cache(maxsize=_PLACES_MAX)
def _sending(topic: str, partition: int, client_id: str) -> Shared:
    attributes: Attributes = {
        names.MESSAGING_SYSTEM: "kafka",
        names.MESSAGING_OPERATION_NAME: "send",
        names.MESSAGING_OPERATION_TYPE: "send",
        names.MESSAGING_DESTINATION: topic,
        names.MESSAGING_CLIENT_ID: client_id,
    }
    if partition != UNKNOWN:
        attributes[names.MESSAGING_PARTITION] = str(partition)
    return Shared(attributes)


@lru_cache(maxsize=_PLACES_MAX)
def _named(what: str, topic: str) -> str:
    return what.format(topic=topic)


def _queue_attributes(read: Read) -> Attributes:
    attributes: Attributes = {names.QUEUE_SECONDS: (read.started_us - queued_us(read)) / 1e6}
    if read.lag_records != UNKNOWN:
        attributes[names.LAG_RECORDS] = read.lag_records
    if skew_us := clock_skew_us(read):
        attributes[names.CLOCK_SKEW_SECONDS] = skew_us / 1e6
    for part, took_s in queue_parts(read).items():
        attributes[_QUEUE_NAMES[part]] = took_s
    return attributes
