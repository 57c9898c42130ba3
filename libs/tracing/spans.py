"""Finished spans from facts: built once the work is done, so no work waits for its telemetry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util.types import AttributeValue

from libs.tracing import names
from libs.tracing.context import SpanRef

Attributes = dict[str, AttributeValue]


@dataclass(slots=True)
class Span:
    """The facts of one span; times in µs since the epoch, `parent_id` 0 for a root."""

    name: str
    ref: SpanRef
    parent_id: int
    start_us: int
    end_us: int
    kind: SpanKind = SpanKind.INTERNAL
    attributes: Attributes = field(default_factory=dict[str, AttributeValue])
    links: tuple[SpanRef, ...] = ()
    error_type: str = ""
    error_text: str = ""
    is_of_pipeline: bool = False


class Emitter(Protocol):
    """Where finished spans go."""

    def emit(self, span: Span) -> None:
        """Take one span; never waits and never raises."""
        ...


class NoEmitter:
    """For a process that exports nothing."""

    def emit(self, span: Span) -> None:
        """Drop the span."""


class SdkEmitter:
    """Hands spans to a processor of the SDK, each with the resource it belongs to."""

    def __init__(
        self, processor: SpanProcessor, stage: Resource, pipeline: Resource, version: str
    ) -> None:
        self._processor = processor
        self._stage = stage
        self._pipeline = pipeline
        self._scope = InstrumentationScope(names.SCOPE, version, names.SCHEMA_URL)

    def emit(self, span: Span) -> None:
        """Build the SDK's own span type; the processor queues it for export."""
        parent = SpanRef(span.ref.trace_id, span.parent_id, is_sampled=True)
        self._processor.on_end(
            ReadableSpan(
                name=span.name,
                context=_context(span.ref),
                parent=_context(parent) if span.parent_id else None,
                resource=self._pipeline if span.is_of_pipeline else self._stage,
                attributes=_with_error(span),
                links=[Link(_context(link)) for link in span.links],
                kind=span.kind,
                status=_status(span),
                start_time=span.start_us * 1000,
                # A clock that was set back must not make a negative time.
                end_time=max(span.end_us, span.start_us) * 1000,
                instrumentation_scope=self._scope,
            )
        )


def _context(ref: SpanRef) -> SpanContext:
    flags = TraceFlags(TraceFlags.SAMPLED if ref.is_sampled else TraceFlags.DEFAULT)
    return SpanContext(ref.trace_id, ref.span_id, is_remote=False, trace_flags=flags)


def _with_error(span: Span) -> Mapping[str, AttributeValue]:
    if not span.error_type:
        return span.attributes
    return {**span.attributes, names.ERROR_TYPE: span.error_type}


def _status(span: Span) -> Status:
    if not span.error_type:
        return Status(StatusCode.UNSET)
    return Status(StatusCode.ERROR, span.error_text or span.error_type)
