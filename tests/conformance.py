"""A captured OTLP stream, held against what is declared: each span, and how spans hang together."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from opentelemetry.proto.logs.v1.logs_pb2 import SEVERITY_NUMBER_WARN
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.trace import SpanKind

from libs.tracing import names
from tests.collector import Measured, Origin, Received, Recorded, plain
from tests.conventions import (
    CONVENTIONS,
    COUNTERS,
    MEASURES,
    RECORDS,
    RESOURCE,
    Convention,
    Place,
    Row,
    attribute_violations,
    violations,
)

# A span, by the ids of its trace and of itself.
Key = tuple[bytes, bytes]

_WHERE = (names.MESSAGING_PARTITION, names.MESSAGING_OFFSET)


@dataclass
class _Trace:
    """The spans of one trace, and the spans of others that may stand in it."""

    theirs: Collection[Key]
    spans: dict[bytes, Received] = field(default_factory=dict[bytes, Received])

    @property
    def roots(self) -> list[Received]:
        return [one for one in self.spans.values() if one.span.name == names.ROOT]

    @property
    def begins_elsewhere(self) -> bool:
        return any(_parent(one.span) in self.theirs for one in self.spans.values())

    def place(self, convention: Convention) -> Place:
        """Where a span has to be; a trace without a root of ours is a chain."""
        shapes = {one.attributes.get(names.SHAPE) for one in self.roots}
        return convention.glass if shapes == {"glass"} else convention.chain


def stream_violations(spans: Sequence[Received], theirs: Collection[Key] = ()) -> Iterator[str]:
    """Say what is wrong with a whole stream; `theirs` are the spans of clients and producers."""
    traces: defaultdict[bytes, _Trace] = defaultdict(lambda: _Trace(theirs))
    for one in spans:
        traces[one.span.trace_id].spans[one.span.span_id] = one
        yield from _own_violations(one)
    for (_, span_id), times in Counter(_key(one.span) for one in spans).items():
        if times > 1:
            yield f"{span_id.hex()}: was exported {times} times"
    for trace in traces.values():
        yield from _trace_violations(trace)


def _own_violations(one: Received) -> Iterator[str]:
    span = one.span
    kind = SpanKind(span.kind - 1) if span.kind else SpanKind.INTERNAL
    yield from violations(span.name, kind, one.origin.service, one.attributes)
    yield from origin_violations(one.origin)
    if span.end_time_unix_nano <= span.start_time_unix_nano:
        yield f"{span.name}: ends before it has begun"
    is_error = span.status.code == Status.STATUS_CODE_ERROR
    if is_error is not (names.ERROR_TYPE in one.attributes):
        yield f"{span.name}: its status and {names.ERROR_TYPE} contradict each other"
    if is_error is not bool(span.status.message):
        yield f"{span.name}: its status and the text of it contradict each other"
    if span.events or span.dropped_attributes_count or span.dropped_links_count:
        yield f"{span.name}: has events, or has lost something"


def origin_violations(origin: Origin) -> Iterator[str]:
    """Say what is wrong with what a process says of itself."""
    yield from attribute_violations(f"resource of {origin.service}", RESOURCE, origin.resource)
    if origin.schema_urls != {names.SCHEMA_URL}:
        yield f"{origin.service}: its schema is {sorted(origin.schema_urls)}"
    if origin.scope.name != names.SCOPE or not origin.scope.version:
        yield f"{origin.service}: its scope is {origin.scope.name!r} {origin.scope.version!r}"


def _trace_violations(trace: _Trace) -> Iterator[str]:
    if len(trace.roots) != 1 and not trace.begins_elsewhere:
        yield f"a trace of ours has {len(trace.roots)} roots"
    if len({one.attributes.get(names.RETRO) for one in trace.spans.values()}) != 1:
        yield f"{names.RETRO}: is on some spans of a trace and not on others"
    for one in trace.spans.values():
        if (convention := CONVENTIONS.get(one.span.name)) is not None:
            yield from _parent_violations(one.span, convention, trace)
            yield from _link_violations(one.span, convention, trace)
            yield from _record_violations(one, trace)


def _parent_violations(span: Span, convention: Convention, trace: _Trace) -> Iterator[str]:
    wanted = trace.place(convention).parent
    if _parent(span) in trace.theirs:
        if not convention.may_begin or (wanted == names.ROOT):
            yield f"{span.name}: hangs on a span of somebody else"
    elif not span.parent_span_id:
        if wanted:
            yield f"{span.name}: has no parent, must have {wanted}"
    elif span.parent_span_id not in trace.spans:
        yield f"{span.name}: hangs on a span that nobody has exported"
    elif (found := trace.spans[span.parent_span_id].span.name) != wanted:
        yield f"{span.name}: hangs on {found}, must hang on {wanted or 'none'}"


def _link_violations(span: Span, convention: Convention, trace: _Trace) -> Iterator[str]:
    links = [(link.trace_id, link.span_id) for link in span.links]
    if convention.may_link and len(links) == 1 and links[0] in trace.theirs:
        return
    linked = [_name(key, span, trace) for key in links]
    wanted = trace.place(convention).link
    if linked != [wanted] * bool(wanted):
        yield f"{span.name}: is linked to {linked}, must be to {wanted or 'none'}"


def _name(key: Key, of: Span, trace: _Trace) -> str:
    linked = trace.spans.get(key[1]) if key[0] == of.trace_id else None
    return "a span that nobody has exported" if linked is None else linked.span.name


def _record_violations(one: Received, trace: _Trace) -> Iterator[str]:
    """The send that a span follows, as its parent or its link, must have written what it read."""
    ids = [one.span.parent_span_id, *(link.span_id for link in one.span.links)]
    before = [trace.spans[span_id] for span_id in ids if span_id in trace.spans]
    for send in before:
        if send.span.kind != Span.SPAN_KIND_PRODUCER:
            continue
        written = [send.attributes.get(name) for name in _WHERE]
        if None not in written and written != [one.attributes.get(name) for name in _WHERE]:
            yield f"{one.span.name}: follows the send of another record"


def measure_violations(measured: Measured, spans: Collection[Key]) -> Iterator[str]:
    """Say what is wrong with a measure; its exemplars must be spans that were exported."""
    metric = measured.metric
    yield from origin_violations(measured.origin)
    if metric.name not in MEASURES:
        yield f"{metric.name}: no such measure is declared"
        return
    if metric.unit != ("{message}" if metric.name in COUNTERS else "s"):
        yield f"{metric.name}: its unit is {metric.unit!r}"
    row = Row(MEASURES[metric.name], {names.ERROR_TYPE: str})
    for point in getattr(metric, metric.WhichOneof("data") or "").data_points:
        yield from attribute_violations(metric.name, row, plain(point.attributes))
        for exemplar in point.exemplars:
            if exemplar.span_id and (exemplar.trace_id, exemplar.span_id) not in spans:
                yield f"{metric.name}: an exemplar is a span that nobody has exported"


def record_violations(recorded: Recorded, spans: Collection[Key] | None = None) -> Iterator[str]:
    """Say what is wrong with a log record, which must be of one of these spans if it is sampled."""
    record = recorded.record
    yield from origin_violations(recorded.origin)
    if record.event_name not in RECORDS:
        yield f"{record.event_name}: no such record is declared"
        return
    yield from attribute_violations(
        record.event_name, RECORDS[record.event_name], recorded.attributes
    )
    if record.severity_number != SEVERITY_NUMBER_WARN or record.severity_text != "WARN":
        yield f"{record.event_name}: its severity is {record.severity_text!r}"
    is_sampled = bool(record.flags & 1)
    if spans is not None and is_sampled and (record.trace_id, record.span_id) not in spans:
        yield f"{record.event_name}: is of a span that nobody has exported"


def keys(spans: Sequence[Received]) -> set[Key]:
    """The spans of a stream, by their ids."""
    return {_key(one.span) for one in spans}


def _key(span: Span) -> Key:
    return span.trace_id, span.span_id


def _parent(span: Span) -> Key:
    return span.trace_id, span.parent_span_id
