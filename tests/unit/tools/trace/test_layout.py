"""Where the spans of a waterfall stand."""

from __future__ import annotations

from tools.trace.jaeger import Span, Trace
from tools.trace.layout import rows

ROOT = Span("r", "", "time to glass", "pipeline", 1_000, 100)


def span(id: str, parent: str, start: int, duration: int, name: str = "work") -> Span:
    return Span(id, parent, name, "normalize", start, duration)


def test_children_follow_their_parent_in_the_order_of_their_start() -> None:
    trace = Trace("t", [span("b", "r", 1_050, 10), ROOT, span("a1", "a", 1_012, 2),
                        span("a", "r", 1_010, 30)])  # fmt: skip

    laid = rows(trace)
    assert [(row.span.id, row.depth, row.offset_us) for row in laid] == [
        ("r", 0, 0), ("a", 1, 10), ("a1", 2, 12), ("b", 1, 50),
    ]  # fmt: skip


def test_a_span_whose_parent_is_not_there_is_shown_all_the_same() -> None:
    laid = rows(
        Trace("t", [span("orphan", "lost", 1_000, 5), span("its-child", "orphan", 1_001, 1)])
    )

    assert [(row.span.id, row.depth) for row in laid] == [("orphan", 0), ("its-child", 1)]
