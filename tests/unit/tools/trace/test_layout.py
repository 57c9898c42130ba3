"""Where the spans of a waterfall stand, and what its time went to."""

from __future__ import annotations

import pytest

from tools.trace.jaeger import Span, Trace
from tools.trace.layout import lasted, rows, shares

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


def test_shares_add_up_to_the_whole_and_each_moment_counts_once() -> None:
    spans = [
        span("a", "r", 1_000, 60, "process"),
        span("b", "a", 1_020, 30, "send"),
        span("c", "r", 1_070, 30, "store"),
    ]
    trace = Trace("t", [ROOT, *spans])

    found = {share.name: share.duration_us for share in shares(trace)}
    assert found == {"process": 30, "send": 30, "store": 30, "time to glass": 10}
    assert sum(found.values()) == lasted(trace)
    assert sum(share.part for share in shares(trace)) == pytest.approx(1.0)


def test_what_nothing_explains_comes_last() -> None:
    trace = Trace("t", [ROOT, span("a", "r", 1_050, 50)])

    assert [share.name for share in shares(trace)] == ["work", "time to glass"]


def test_a_trace_of_no_length_has_shares_without_a_division_by_zero() -> None:
    assert shares(Trace("t", [span("a", "", 1_000, 0)])) == []
