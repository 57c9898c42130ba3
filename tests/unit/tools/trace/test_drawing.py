"""The waterfall as text."""

from __future__ import annotations

import io

from hypothesis import given, strategies as st
from rich.console import Console

from tools.trace.drawing import bar, draw
from tools.trace.jaeger import Span, Trace

WIDTH = 100


def drawn(*spans: Span) -> str:
    console = Console(file=io.StringIO(), width=WIDTH, highlight=False)
    draw(console, Trace("0f" * 16, list(spans)), "http://here/trace/" + "0f" * 16)
    return console.file.getvalue()  # type: ignore[attr-defined]


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(1, 200))
def test_a_bar_stays_within_its_lane_and_always_leaves_a_mark(
    offset_us: int, duration_us: int, chars: int
) -> None:
    text = bar(offset_us, duration_us, offset_us + duration_us, chars)

    assert 1 <= len(text) <= chars
    assert text.strip()


def test_a_bar_is_as_long_as_its_part_of_the_whole() -> None:
    assert bar(0, 100, 100, 10) == "█" * 10
    assert bar(50, 25, 100, 8) == "    ██"
    assert bar(0, 5, 100, 10) == "▌"


def test_a_waterfall_names_spans_times_and_where_to_see_more() -> None:
    text = drawn(
        Span("r", "", "time to glass", "pipeline", 0, 31_250),
        Span("p", "r", "process events.raw", "normalize", 10_000, 5_000),
    )

    assert "31.250 ms" in text
    assert "process events.raw" in text
    assert "16%" in text
    assert f"http://here/trace/{'0f' * 16}" in text
    assert max(map(len, text.splitlines())) <= WIDTH


def test_a_span_that_failed_says_so_without_colour() -> None:
    text = drawn(Span("r", "", "time to glass", "pipeline", 0, 10, {"error": True}))

    assert "time to glass (failed)" in text


def test_a_trace_without_its_root_says_what_that_means() -> None:
    assert "has not reached the glass" in drawn(Span("p", "lost", "send", "ingest", 0, 10))
