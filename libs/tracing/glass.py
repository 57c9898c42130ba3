"""The end of a waterfall: the writes into the store, and the root that was waiting for them."""

from __future__ import annotations

from dataclasses import dataclass

from opentelemetry.trace import SpanKind

from libs.tracing import names
from libs.tracing.context import SpanRef, new_span_id
from libs.tracing.hop import Leg
from libs.tracing.spans import Attributes, Emitter, Span


@dataclass(slots=True)
class Stored:
    """One transaction: the moments (µs) between its statements, and what it carried."""

    namespace: str
    table: str
    copy_us: int
    insert_us: int
    commit_us: int
    committed_us: int
    rows: int


@dataclass(slots=True)
class Ending:
    """What became of a request's events, as far as the stage that ends its trace has seen them."""

    stored: int = 0
    already_there: int = 0
    dead_lettered: int = 0
    reason: str = ""


def report_store(emitter: Emitter, leg: Leg, stored: Stored) -> None:
    """Emit the spans of the transaction, as children of the process span."""
    table = stored.table
    steps = (
        ("COPY", names.COPY.format(table=table), stored.copy_us, stored.insert_us),
        ("INSERT", names.INSERT.format(table=table), stored.insert_us, stored.commit_us),
        ("COMMIT", names.COMMIT, stored.commit_us, stored.committed_us),
    )
    for operation, name, start_us, end_us in steps:
        attributes: Attributes = {
            names.DB_SYSTEM: "postgresql",
            names.DB_NAMESPACE: stored.namespace,
            names.DB_OPERATION: operation,
            names.DB_SUMMARY: name,
        }
        if operation != "COMMIT":
            attributes[names.DB_COLLECTION] = table
            attributes[names.DB_BATCH_SIZE] = stored.rows
        emitter.emit(
            Span(
                name=name,
                ref=SpanRef(leg.process.trace_id, new_span_id(), is_sampled=True),
                parent_id=leg.process.span_id,
                start_us=start_us,
                end_us=end_us,
                kind=SpanKind.CLIENT,
                attributes=attributes,
            )
        )


def report_root(emitter: Emitter, leg: Leg, ending: Ending, ended_us: int) -> None:
    """Emit the root of a waterfall that started at our door; it failed if an event did."""
    if leg.glass is None:
        return
    attributes: Attributes = {
        names.SHAPE: "glass",
        names.TENANT: leg.origin.tenant,
        names.REQUEST_EVENTS: leg.origin.total,
        names.EVENTS_STORED: ending.stored,
        names.EVENTS_ALREADY_THERE: ending.already_there,
        names.EVENTS_DEAD_LETTERED: ending.dead_lettered,
    }
    if ending.reason:
        attributes[names.DEAD_LETTER_REASON] = ending.reason
    emitter.emit(
        Span(
            name=names.ROOT,
            ref=SpanRef(leg.upstream.trace_id, leg.glass.root_id, is_sampled=True),
            parent_id=0,
            start_us=leg.glass.received_us,
            end_us=ended_us,
            attributes=attributes,
            error_type="dead_lettered" if ending.dead_lettered or ending.reason else "",
            error_text=ending.reason,
            is_of_pipeline=True,
        )
    )
