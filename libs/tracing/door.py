"""The first two spans of a waterfall: the request and its send."""

from __future__ import annotations

from dataclasses import dataclass, replace

from opentelemetry.trace import SpanKind

from libs.tracing import names
from libs.tracing.context import (
    Glass,
    SpanRef,
    format_glass,
    format_traceparent,
    join_members,
    new_span_id,
    new_trace_id,
)
from libs.tracing.facts import UNKNOWN, Written
from libs.tracing.glass import Ending, Root, root_span
from libs.tracing.hop import send_attributes, send_span
from libs.tracing.spans import Attributes, Emitter, Span


@dataclass(frozen=True, slots=True)
class Request:
    """The identity of one request, sampled or not.

    `caller` is a client's own span, which is linked; `parent` that of a trusted client, whose trace
    goes on here, with `others`: the members of `tracestate` that are not ours.
    """

    trace_id: int
    root_id: int
    server_id: int
    received_us: int
    is_sampled: bool
    caller: SpanRef | None = None
    parent: SpanRef | None = None
    others: str = ""
    has_send_spans: bool = True

    @property
    def id(self) -> str:
        """The trace id as text: what the answer and the store call the request."""
        return f"{self.trace_id:032x}"

    @property
    def tracestate(self) -> str:
        """Our member, the root that waits at the end of the pipeline, and those of others."""
        return join_members(format_glass(self.glass), self.others)

    @property
    def glass(self) -> Glass:
        """The root that waits at the end of the pipeline."""
        parent_id = self.parent.span_id if self.parent else 0
        return Glass(self.root_id, self.received_us, parent_id)

    @property
    def exemplar(self) -> SpanRef | None:
        """The span that stands for a measure of this request; `None` if it is not sampled."""
        if not self.is_sampled:
            return None
        return SpanRef(self.trace_id, self.server_id, is_sampled=True)

    def sampled(self) -> Request:
        """The same request, sampled."""
        return replace(self, is_sampled=True)

    def continuing(self, tracestate: str) -> Request:
        """The same request in the trace of its caller, with the members of others."""
        if self.caller is None:
            return self
        trace_id = self.caller.trace_id
        return replace(self, trace_id=trace_id, parent=self.caller, caller=None, others=tracestate)

    def new_send_id(self) -> int:
        """The id of the span that sends a part, which the record carries as its context."""
        return new_span_id() if self.has_send_spans else self.server_id

    def traceparent(self, send_id: int) -> str:
        """The context of one part of the request: its send span."""
        return format_traceparent(SpanRef(self.trace_id, send_id, self.is_sampled))


@dataclass(frozen=True, slots=True)
class Answer:
    """How the request ended; `error_type` is empty unless the server failed it."""

    status: int
    ended_us: int
    body_bytes: int
    events: int
    tenant: str
    error_type: str = ""


def begin(
    received_us: int,
    *,
    is_sampled: bool,
    caller: SpanRef | None = None,
    has_send_spans: bool = True,
) -> Request:
    """Give a request its ids; a trace starts here, and a client's context is only linked.

    Where somebody else makes the spans of sends, they hang on the request itself.
    """
    return Request(
        trace_id=new_trace_id(),
        root_id=new_span_id(),
        server_id=new_span_id(),
        received_us=received_us,
        is_sampled=is_sampled,
        caller=caller,
        has_send_spans=has_send_spans,
    )


def report_not_sent(emitter: Emitter, request: Request, answer: Answer, reason: str) -> None:
    """Emit the root of a request that ends at the door, because nothing of it can come out."""
    if not request.is_sampled:
        return
    root = Root(request.trace_id, request.glass, emitter.policy.shape, answer.tenant, answer.events)
    emitter.emit(root_span(root, Ending(reason=reason), answer.ended_us))


def report_request(
    emitter: Emitter, request: Request, answer: Answer, sends: list[tuple[int, Written]]
) -> None:
    """Emit the server span and one send span for each part, given by its span id."""
    if not request.is_sampled:
        return
    attributes: Attributes = {
        names.HTTP_METHOD: "POST",
        names.HTTP_ROUTE: "/v1/events",
        names.URL_PATH: "/v1/events",
        names.URL_SCHEME: "http",
        names.HTTP_STATUS: answer.status,
        names.TENANT: answer.tenant,
        names.ORIGIN_EVENTS: answer.events,
    }
    if answer.body_bytes != UNKNOWN:
        attributes[names.HTTP_BODY_BYTES] = answer.body_bytes
    server = SpanRef(request.trace_id, request.server_id, is_sampled=True)
    emitter.emit(
        Span(
            name=names.SERVER,
            ref=server,
            parent_id=request.root_id,
            start_us=request.received_us,
            end_us=answer.ended_us,
            kind=SpanKind.SERVER,
            own=attributes,
            links=(request.caller,) if request.caller else (),
            error_type=answer.error_type,
        )
    )
    for send_id, written in sends:
        emitter.emit(send_span(server, send_id, written, send_attributes(written)))
