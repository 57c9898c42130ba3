"""Where each span stands in a waterfall."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from tools.trace.jaeger import Span, Trace


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the waterfall; `offset_us` is from the start of the trace."""

    span: Span
    depth: int
    offset_us: int


def rows(trace: Trace) -> list[Row]:
    """Order the spans as a tree, children by their start; orphans stand at the left."""
    known = {span.id for span in trace.spans}
    children: dict[str, list[Span]] = defaultdict(list)
    for span in sorted(trace.spans, key=lambda span: (span.start_us, -span.duration_us)):
        children[span.parent_id if span.parent_id in known else ""].append(span)
    began_us = began(trace)
    laid: list[Row] = []
    waiting = [(span, 0) for span in reversed(children[""])]
    while waiting:
        span, depth = waiting.pop()
        laid.append(Row(span, depth, span.start_us - began_us))
        waiting += [(child, depth + 1) for child in reversed(children[span.id])]
    return laid


def began(trace: Trace) -> int:
    """The start of the earliest span (µs)."""
    return min(span.start_us for span in trace.spans)


def lasted(trace: Trace) -> int:
    """The time from the first start to the last end (µs)."""
    return max(span.end_us for span in trace.spans) - began(trace)
