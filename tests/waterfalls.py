"""What a whole waterfall is made of, and how to read one that Jaeger gave."""

from __future__ import annotations

from collections import Counter
from typing import Any

from libs.tracing import names
from services.topology import TOPICS
from tests.stack import Stack

WATERFALL = Counter(
    [
        names.ROOT,
        names.SERVER,
        *(names.SEND.format(topic=topic) for topic in TOPICS),
        *(names.QUEUE.format(topic=topic) for topic in TOPICS),
        *(names.PROCESS.format(topic=topic) for topic in TOPICS),
        *(f"{operation} event" for operation in (names.COPY, names.INSERT)),
        names.COMMIT,
    ]
)


def tags(span: dict[str, Any]) -> dict[str, Any]:
    """The attributes of a span."""
    return {tag["key"]: tag["value"] for tag in span["tags"]}


def span_names(trace: dict[str, Any]) -> Counter[str]:
    """How many spans there are of each name."""
    return Counter(span["operationName"] for span in trace["spans"])


def warnings(trace: dict[str, Any]) -> list[str]:
    """What Jaeger finds wrong with it."""
    return [warning for span in trace["spans"] for warning in span["warnings"] or ()]


def parent_of(trace: dict[str, Any], name: str) -> str:
    """The name of the span that the one span of a name hangs on."""
    by_id = {span["spanID"]: span["operationName"] for span in trace["spans"]}
    (span,) = [span for span in trace["spans"] if span["operationName"] == name]
    (parent,) = [ref["spanID"] for ref in span["references"] if ref["refType"] == "CHILD_OF"]
    return by_id[parent]


def with_spans(stack: Stack, trace_id: str, *wanted: str) -> dict[str, Any] | None:
    """Ask Jaeger for a trace; `None` until it has spans of these names."""
    trace = stack.trace_now(trace_id)
    return trace if trace and span_names(trace) >= Counter(wanted) else None
