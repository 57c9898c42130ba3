"""Waterfalls after the fact: an unsampled request's spans, rebuilt from the trail of its record.

They have the names, parents, starts and resources of spans that were sampled from the beginning.
What only a sender saw is not in the trail: a send ends when the log has the record, where a
sampled one ends with the ack, and so does the answer to the request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from libs.tracing import names
from libs.tracing.carrier import Origin
from libs.tracing.context import SpanRef, parse_glass, parse_traceparent
from libs.tracing.door import Answer, Request, report_request
from libs.tracing.facts import UNKNOWN, Read, Written
from libs.tracing.hop import Leg, Reading, leg_after, report_hop
from libs.tracing.meters import Meters
from libs.tracing.policy import Policy
from libs.tracing.spans import Emitter, Source, Span
from libs.tracing.trail import Stop, Trail

_ACCEPTED = 202
_SERVER_OF_ROOT = 0x5E7F_A11E_D00B_0001


@dataclass(slots=True)
class Rebuilding:
    """An emitter that says of each span that it is told afterwards, and of which process it is."""

    inner: Emitter
    source: Source | None = None

    @property
    def policy(self) -> Policy:
        """The policy of this process."""
        return self.inner.policy

    @property
    def meters(self) -> Meters:
        """The meters of this process."""
        return self.inner.meters

    def emit(self, span: Span) -> None:
        """Mark the span and pass it on."""
        span.own[names.RETRO] = True
        span.source = span.source or self.source
        self.inner.emit(span)


@dataclass(slots=True)
class Arrival:
    """One origin at its end: the way its record came, and how it was read by the last stage."""

    origin: Origin
    trail: Trail
    reading: Reading


def can_rebuild(arrival: Arrival) -> bool:
    """Say whether the trail tells the whole way from our door."""
    is_ours = parse_glass(arrival.origin.tracestate) and parse_traceparent(
        arrival.origin.traceparent
    )
    return bool(is_ours and arrival.trail.is_ours)


def rebuild(emitter: Emitter, parts: Sequence[Arrival]) -> list[Leg]:
    """Emit the spans of all stages before this one, of all parts of one request.

    Gives a leg for each part to go on with. Each part must be one that can be rebuilt.
    """
    _rebuild_request(emitter, parts)
    return [_rebuild_hops(emitter, part) for part in parts]


def _rebuild_request(emitter: Emitter, parts: Sequence[Arrival]) -> None:
    origin, door = parts[0].origin, parts[0].trail.stops[0]
    glass = parse_glass(origin.tracestate)
    assert glass is not None
    sends = [(_sent(part.origin).span_id, _sent_at_the_door(part)) for part in parts]
    request = Request(
        trace_id=_sent(origin).trace_id,
        root_id=glass.root_id,
        # Made of the root, so that it is the same however often a request is rebuilt.
        server_id=(glass.root_id ^ _SERVER_OF_ROOT) or 1,
        received_us=glass.received_us,
        is_sampled=True,
    )
    answer = Answer(
        status=_ACCEPTED,
        ended_us=max(written.acked_us for _, written in sends),
        body_bytes=UNKNOWN,
        events=origin.total,
        tenant=origin.tenant,
    )
    report_request(_of(emitter, door), request, answer, sends)


def _rebuild_hops(emitter: Emitter, part: Arrival) -> Leg:
    shape = emitter.policy.shape
    upstream = _sent(part.origin)
    reads = _reads(part)
    for stop, came, went in zip(part.trail.stops[1:], reads, reads[1:], strict=False):
        leg = leg_after(upstream, part.origin, shape)
        report_hop(_of(emitter, stop), [leg], Reading(came), _written(stop, went))
        upstream = SpanRef(upstream.trace_id, leg.send_id, is_sampled=True)
    return leg_after(upstream, part.origin, shape)


def _sent(origin: Origin) -> SpanRef:
    """The send span of the door, which an unsampled origin names all the way."""
    ref = parse_traceparent(origin.traceparent)
    assert ref is not None
    return SpanRef(ref.trace_id, ref.span_id, is_sampled=True)


def _sent_at_the_door(part: Arrival) -> Written:
    written = _written(part.trail.stops[0], _reads(part)[0])
    # To the record, and not yet the record to the producer.
    glass = parse_glass(part.origin.tracestate)
    assert glass is not None
    written.handed_us = glass.received_us + part.origin.admitted_us
    return written


def _reads(part: Arrival) -> list[Read]:
    """How the record was read by each stage after the door, this one the last."""
    last = part.reading.read
    before = [_read(stop, earlier, last) for earlier, stop in pairwise(part.trail.stops)]
    return [*before, last]


def _of(emitter: Emitter, stop: Stop) -> Rebuilding:
    return Rebuilding(emitter, Source(stop.stage, stop.instance, stop.host))


def _read(stop: Stop, before: Stop, last: Read) -> Read:
    topic, partition, offset = stop.position
    return Read(
        topic=topic,
        partition=partition,
        offset=offset,
        group=stop.stage,
        client_id=stop.instance,
        sent_us=before.handed_us,
        appended_us=stop.appended_us,
        polled_us=stop.polled_us,
        started_us=stop.started_us,
        lag_records=UNKNOWN,
        events=last.events,
        origins=last.origins,
    )


def _written(stop: Stop, next_read: Read) -> Written:
    return Written(
        topic=next_read.topic,
        partition=next_read.partition,
        offset=next_read.offset,
        client_id=stop.instance,
        handed_us=stop.handed_us,
        # The log counts milliseconds, and a span that takes no time is warned of by Jaeger.
        acked_us=max(stop.handed_us + 1, next_read.appended_us),
        events=next_read.events,
    )
