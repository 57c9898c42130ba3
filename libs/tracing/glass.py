"""The end of a waterfall: the writes into the store, and the root that was waiting for them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from opentelemetry.trace import SpanKind

from libs.tracing import names
from libs.tracing.context import Glass, SpanRef, new_span_id
from libs.tracing.facts import Operation, Stored
from libs.tracing.hop import Leg
from libs.tracing.host import host_id
from libs.tracing.settings import Shape
from libs.tracing.spans import Attributes, Emitter, Shared, Source, Span

_OF_TABLE = frozenset((names.COPY, names.INSERT))


@dataclass(slots=True)
class Ending:
    """What became of a request's events, as far as the stage that ends its trace has seen them."""

    stored: int = 0
    already_there: int = 0
    dead_lettered: int = 0
    reason: str = ""
    redelivered: str = ""

    @property
    def error_type(self) -> str:
        """Why the request has failed, in one word; empty if it has not."""
        if self.dead_lettered:
            return "dead_lettered"
        return "not_sent" if self.reason else ""


def report_store(emitter: Emitter, leg: Leg, stored: Stored) -> None:
    """Emit the spans of the transaction, as children of the process span."""
    for operation in stored.operations:
        emitter.emit(_operation_span(leg, stored, operation))


def _operation_span(leg: Leg, stored: Stored, operation: Operation) -> Span:
    return Span(
        name=_summary(operation.name, stored.table),
        ref=SpanRef(leg.process.trace_id, new_span_id(), is_sampled=True),
        parent_id=leg.process.span_id,
        start_us=operation.started_us,
        end_us=operation.ended_us,
        kind=SpanKind.CLIENT,
        shared=_operation_attributes(operation.name, stored.namespace, stored.table, stored.rows),
        error_type=operation.error_type,
    )


# The requests of a transaction come one after the other, so few need to be kept.
@lru_cache(maxsize=16)
def _operation_attributes(name: str, namespace: str, table: str, rows: int) -> Shared:
    attributes: Attributes = {
        names.DB_SYSTEM: "postgresql",
        names.DB_NAMESPACE: namespace,
        names.DB_OPERATION: name,
        names.DB_SUMMARY: _summary(name, table),
    }
    if name in _OF_TABLE:
        attributes[names.DB_COLLECTION] = table
        attributes[names.DB_BATCH_SIZE] = rows
    return Shared(attributes)


def _summary(name: str, table: str) -> str:
    return f"{name} {table}" if name in _OF_TABLE else name


@dataclass(frozen=True, slots=True)
class Root:
    """The span that waits at the end: whose it is, and what it will stand over."""

    trace_id: int
    glass: Glass
    shape: Shape
    tenant: str
    total: int


def report_root(emitter: Emitter, leg: Leg, ending: Ending, ended_us: int) -> None:
    """Emit the root of a waterfall that started at our door; it failed if an event did."""
    if leg.glass is None:
        return
    root = Root(leg.upstream.trace_id, leg.glass, leg.shape, leg.origin.tenant, leg.origin.total)
    emitter.emit(root_span(root, ending, ended_us))


def root_span(root: Root, ending: Ending, ended_us: int) -> Span:
    """Make the span from the receipt of a request to its end; it failed if an event is missing."""
    missing = root.total - ending.stored - ending.already_there - ending.dead_lettered
    attributes: Attributes = {
        names.SHAPE: root.shape,
        names.TENANT: root.tenant,
        names.REQUEST_EVENTS: root.total,
        names.EVENTS_STORED: ending.stored,
        names.EVENTS_ALREADY_THERE: ending.already_there,
        names.EVENTS_DEAD_LETTERED: ending.dead_lettered,
    }
    if ending.dead_lettered and ending.reason:
        attributes[names.DEAD_LETTER_REASON] = ending.reason
    if ending.redelivered:
        attributes[names.REDELIVERED] = ending.redelivered
    return Span(
        name=names.ROOT,
        ref=SpanRef(root.trace_id, root.glass.root_id, is_sampled=True),
        parent_id=root.glass.parent_id,
        start_us=root.glass.received_us,
        end_us=ended_us,
        own=attributes,
        error_type=ending.error_type or ("incomplete" if missing > 0 else ""),
        error_text=ending.reason or (f"{missing} events came another way" if missing > 0 else ""),
        source=Source(names.PIPELINE_SERVICE, names.PIPELINE_SERVICE, host_id()),
    )
