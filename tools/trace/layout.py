"""Where each span stands in a waterfall, and what the time of a trace went to."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise

from libs.tracing import names
from tools.trace.jaeger import Span, Trace


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the waterfall; `offset_us` is from the start of the trace."""

    span: Span
    depth: int
    offset_us: int


@dataclass(frozen=True, slots=True)
class Share:
    """What one kind of span alone accounts for; `part` is of the whole trace, 0 to 1."""

    service: str
    name: str
    duration_us: int
    part: float


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


def shares(trace: Trace) -> list[Share]:
    """Say what each moment of the trace went to, in the order of the pipeline.

    A moment counts for the span that began last among those it lies in: the one deepest in the
    work. What no span covers counts for the root.
    """
    spent = _spent(trace.spans)
    whole_us = max(lasted(trace), 1)
    order = {span.id: row for row, span in enumerate(sorted(trace.spans, key=_start))}
    found = [
        Share(span.service, span.name, spent[span.id], spent[span.id] / whole_us)
        for span in sorted(trace.spans, key=lambda span: order[span.id])
        if spent.get(span.id)
    ]
    # The root comes first in time, and what is left to it is what nothing explains.
    return sorted(found, key=lambda share: share.name == names.ROOT)


def _spent(spans: list[Span]) -> dict[str, int]:
    moments = sorted({moment for span in spans for moment in (span.start_us, span.end_us)})
    spent: dict[str, int] = defaultdict(int)
    for start_us, end_us in pairwise(moments):
        inside = [s for s in spans if s.start_us <= start_us and s.end_us >= end_us]
        if inside:
            spent[max(inside, key=_start).id] += end_us - start_us
    return spent


def _start(span: Span) -> tuple[int, int]:
    return span.start_us, -span.duration_us
