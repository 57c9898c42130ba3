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
    new_span_id,
    new_trace_id,
)
from libs.tracing.hop import Written, send_span
from libs.tracing.spans import Attributes, Emitter, Span


@dataclass(frozen=True, slots=True)
class Request:
    """The identity of one request, sampled or not; `caller` is the client's own span."""

    trace_id: int
    root_id: int
    server_id: int
    received_us: int
    is_sampled: bool
    caller: SpanRef | None

    @property
    def id(self) -> str:
        """The trace id as text: what the answer and the store call the request."""
        return f"{self.trace_id:032x}"

    @property
    def tracestate(self) -> str:
        """Our member of `tracestate`: the root that waits at the end of the pipeline."""
        return format_glass(Glass(self.root_id, self.received_us))

    def sampled(self) -> Request:
        """The same request, sampled."""
        return replace(self, is_sampled=True)

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


def begin(received_us: int, *, is_sampled: bool, caller: SpanRef | None = None) -> Request:
    """Give a request its ids; a trace always starts here, a client's context is only linked."""
    return Request(
        trace_id=new_trace_id(),
        root_id=new_span_id(),
        server_id=new_span_id(),
        received_us=received_us,
        is_sampled=is_sampled,
        caller=caller,
    )


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
        names.HTTP_BODY_BYTES: answer.body_bytes,
        names.TENANT: answer.tenant,
        names.ORIGIN_EVENTS: answer.events,
    }
    server = SpanRef(request.trace_id, request.server_id, is_sampled=True)
    emitter.emit(
        Span(
            name=names.SERVER,
            ref=server,
            parent_id=request.root_id,
            start_us=request.received_us,
            end_us=answer.ended_us,
            kind=SpanKind.SERVER,
            attributes=attributes,
            links=(request.caller,) if request.caller else (),
            error_type=answer.error_type,
        )
    )
    for send_id, written in sends:
        emitter.emit(send_span(server, send_id, written))
