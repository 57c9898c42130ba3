"""The two spans of a replay: one begins the new trace, one leads to it from the old."""

from __future__ import annotations

from dataclasses import dataclass

from libs.tracing import names
from libs.tracing.context import (
    Glass,
    SpanRef,
    format_glass,
    format_traceparent,
    new_span_id,
    new_trace_id,
    parse_glass,
    parse_traceparent,
)
from libs.tracing.facts import Written
from libs.tracing.hop import send_attributes, send_span
from libs.tracing.spans import Emitter, Span


@dataclass(frozen=True, slots=True)
class Replay:
    """What one origin has that is sent again: a trace of its own, and the context it died with.

    `root_id` is 0 where the record cannot be read, so that nobody could end a waterfall; the span
    of the replay is the root then. `died` is `None` where there was no context.
    """

    trace_id: int
    root_id: int
    span_id: int
    received_us: int
    died: SpanRef | None
    died_glass: Glass | None

    @property
    def id(self) -> str:
        """The new trace, as 32 hex digits."""
        return f"{self.trace_id:032x}"

    @property
    def traceparent(self) -> str:
        """The context that the record carries: the span of the replay."""
        return format_traceparent(SpanRef(self.trace_id, self.span_id, is_sampled=True))

    @property
    def tracestate(self) -> str:
        """Our member, the root that waits at the end of the pipeline; empty without one."""
        return format_glass(Glass(self.root_id, self.received_us)) if self.root_id else ""


def begin_replay(
    traceparent: str, tracestate: str, received_us: int, *, has_root: bool = True
) -> Replay:
    """Give an origin that died with this context a new trace, which is always sampled."""
    return Replay(
        trace_id=new_trace_id(),
        root_id=new_span_id() if has_root else 0,
        span_id=new_span_id(),
        received_us=received_us,
        died=parse_traceparent(traceparent),
        died_glass=parse_glass(tracestate),
    )


def report_replay(emitter: Emitter, replay: Replay, written: Written, reason: str) -> None:
    """Emit both ends of a replay, each with a link to the other; `reason` is why it had died."""
    root = SpanRef(replay.trace_id, replay.root_id, is_sampled=True)
    begun = send_span(root, replay.span_id, written, send_attributes(written))
    begun.name = names.REPLAY.format(topic=written.topic)
    begun.own[names.DEAD_LETTER_REASON] = reason
    if replay.died is not None:
        begun.links = (replay.died,)
        emitter.emit(_way_on(replay.died, replay.died_glass, begun, written))
    emitter.emit(begun)


def _way_on(died: SpanRef, glass: Glass | None, begun: Span, written: Written) -> Span:
    """Make the span in the old trace; where that was not sampled there is nothing to hang it on."""
    parent_id = glass.root_id if glass else died.span_id
    return Span(
        name=names.REPLAYED.format(topic=written.topic),
        ref=SpanRef(died.trace_id, new_span_id(), is_sampled=True),
        parent_id=parent_id if died.is_sampled else 0,
        start_us=written.handed_us,
        end_us=written.acked_us,
        own={
            names.MESSAGING_SYSTEM: "kafka",
            names.MESSAGING_DESTINATION: written.topic,
            names.MESSAGING_PARTITION: str(written.partition),
            names.MESSAGING_OFFSET: written.offset,
        },
        links=(begun.ref,),
    )
