"""Waterfalls as Jaeger holds them, with times that are easy to add up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal

from libs.tracing import names
from tools.trace.jaeger import Span, Trace

START_US = 1_700_000_000_000_000
ROOT_ID = "root"
# How much later each further part of a request goes its way.
PART_US = 10_000
_RAW, _NORMALIZED, _DECORATED = "events.raw", "events.normalized", "events.decorated"
_QUEUE_PARTS = (
    names.QUEUE_LOG_SECONDS,
    names.QUEUE_FETCH_SECONDS,
    names.QUEUE_PREFETCH_SECONDS,
    names.QUEUE_SLOT_SECONDS,
)
_SEND_PARTS = (
    names.SEND_AGGREGATE_SECONDS,
    names.SEND_BUFFER_SECONDS,
    names.SEND_ACK_SECONDS,
)

# What 100 ms of one request went to, in ms by kind, stage and part: at the last of the path.
SPENT_MS = {
    ("work", "ingest", "parse"): 1,
    ("work", "ingest", "aggregate"): 5,
    ("broker", "ingest", "buffer"): 1,
    ("broker", "ingest", "ack"): 3,
    ("queue", "normalize", "log"): 8,
    ("queue", "normalize", "fetch"): 6,
    ("queue", "normalize", "prefetch"): 4,
    ("queue", "normalize", "slot"): 2,
    ("work", "normalize", "process"): 2,
    ("broker", "normalize", "buffer"): 3,
    ("broker", "normalize", "ack"): 5,
    ("queue", "decorate", "log"): 5,
    ("queue", "decorate", "fetch"): 5,
    ("queue", "decorate", "prefetch"): 5,
    ("queue", "decorate", "slot"): 5,
    ("work", "decorate", "process"): 1,
    ("broker", "decorate", "buffer"): 2,
    ("broker", "decorate", "ack"): 7,
    ("queue", "sink", "log"): 4,
    ("queue", "sink", "fetch"): 3,
    ("queue", "sink", "prefetch"): 2,
    ("queue", "sink", "slot"): 1,
    ("work", "sink", "process"): 4,
    ("database", "sink", "COPY"): 5,
    ("database", "sink", "INSERT"): 5,
    ("database", "sink", "COMMIT"): 6,
}


def waterfall(
    trace_id: str = "0f" * 16,
    *,
    shape: Literal["glass", "chain"] = "glass",
    parts: int = 1,
    start_us: int = START_US,
    root: dict[str, Any] | None = None,
) -> Trace:
    """Make the trace of one request of three events; `root` are more attributes of the root."""
    last_us = (parts - 1) * PART_US
    spans = [
        _span(ROOT_ID, "", names.ROOT, "pipeline", 0, 100_000 + last_us),
        _span("door", ROOT_ID, names.SERVER, "ingest", 0, 14_000 + last_us),
    ]
    spans[0].attributes.update({names.REQUEST_EVENTS: 3} | (root or {}))
    for part in range(parts):
        spans += _part(part, shape)
    return Trace(trace_id, [moved(span, start_us) for span in spans])


def rebuilt(trace: Trace) -> Trace:
    """The same trace, told after the fact: its spans do not say what they consist of."""
    divided = {*_QUEUE_PARTS, *_SEND_PARTS}
    spans = [
        replace(
            span,
            attributes={names.RETRO: True}
            | {key: value for key, value in span.attributes.items() if key not in divided},
        )
        for span in trace.spans
    ]
    return Trace(trace.id, spans)


def failed(trace: Trace) -> Trace:
    """The same trace with a root that failed."""
    return changed(
        trace,
        lambda span: span.name == names.ROOT,
        lambda span: replace(span, attributes={**span.attributes, "error": True}),
    )


def without(trace: Trace, *span_names: str) -> Trace:
    """The same trace without some of its spans."""
    return Trace(trace.id, [span for span in trace.spans if span.name not in span_names])


def changed(
    trace: Trace, concerns: Callable[[Span], bool], change: Callable[[Span], Span]
) -> Trace:
    """The same trace with some of its spans changed."""
    return Trace(trace.id, [change(span) if concerns(span) else span for span in trace.spans])


def moved(span: Span, by_us: int) -> Span:
    """The same span at another time."""
    return replace(span, start_us=span.start_us + by_us)


def stretched(trace: Trace, factor: int) -> Trace:
    """The same trace, so many times as long."""
    seconds = {*_QUEUE_PARTS, *_SEND_PARTS}
    began_us = min(span.start_us for span in trace.spans)
    spans = [
        replace(
            span,
            start_us=began_us + (span.start_us - began_us) * factor,
            duration_us=span.duration_us * factor,
            attributes={
                key: value * factor if key in seconds else value
                for key, value in span.attributes.items()
            },
        )
        for span in trace.spans
    ]
    return Trace(trace.id, spans)


def _part(number: int, shape: str) -> list[Span]:
    """The way of one part; the door has all at once, and the next one follows on the heels."""
    behind_ms = number * PART_US // 1_000
    door = (1, *(time + behind_ms for time in (6, 7, 13)))
    spans = [
        *_hop(number, "normalize", _RAW, shape, (10, 18, 24, 28, 30, 42)),
        _send(f"normalize-{number}", number, "normalize", _NORMALIZED, (32, 32, 35, 42)),
        *_hop(number, "decorate", _NORMALIZED, shape, (40, 45, 50, 55, 60, 73)),
        _send(f"decorate-{number}", number, "decorate", _DECORATED, (61, 61, 63, 73)),
        *_hop(number, "sink", _DECORATED, shape, (70, 74, 77, 79, 80, 100)),
        *(
            _span(f"{name}-{number}", f"sink-{number}", name, "sink", start_us, end_us)
            for name, start_us, end_us in (
                ("COPY event", 82_000, 87_000),
                ("INSERT event", 88_000, 93_000),
                ("COMMIT", 94_000, 100_000),
            )
        ),
    ]
    sent = _send("door", number, "ingest", _RAW, door)
    return [sent, *(moved(span, number * PART_US) for span in spans)]


def _hop(
    number: int, stage: str, topic: str, shape: str, times_ms: tuple[int, ...]
) -> tuple[Span, Span]:
    """Queue and work; the times are appended, asked, fetched, polled, started and ended."""
    *queued, started, ended = (time * 1_000 for time in times_ms)
    parent = f"send-{topic}-{number}" if shape == "chain" else ROOT_ID
    queue_id, queue_name = f"queue-{topic}-{number}", names.QUEUE.format(topic=topic)
    queue = _span(queue_id, parent, queue_name, stage, queued[0], started)
    name = names.PROCESS.format(topic=topic)
    process = _span(f"{stage}-{number}", parent, name, stage, started, ended)
    queue.attributes.update(_position(number) | _parts(_QUEUE_PARTS, [*queued, started]))
    process.attributes.update(_position(number))
    return queue, process


def _send(parent: str, number: int, stage: str, topic: str, times_ms: tuple[int, ...]) -> Span:
    """A send; the times are handed over, in a record, out of the buffer and acknowledged."""
    times_us = [time * 1_000 for time in times_ms]
    name = names.SEND.format(topic=topic)
    sent = _span(f"send-{topic}-{number}", parent, name, stage, times_us[0], times_us[-1])
    sent.attributes.update(_position(number) | _parts(_SEND_PARTS, times_us))
    return sent


def _parts(keys: tuple[str, ...], times_us: list[int]) -> dict[str, float]:
    pairs = zip(keys, pairwise(times_us), strict=True)
    return {key: (end - start) / 1e6 for key, (start, end) in pairs}


def _position(number: int) -> dict[str, Any]:
    return {names.MESSAGING_PARTITION: "4", names.MESSAGING_OFFSET: 100 + number}


def _span(id: str, parent: str, name: str, service: str, start_us: int, end_us: int) -> Span:
    return Span(id, parent, name, service, start_us, end_us - start_us)
