"""The waterfall as text."""

from __future__ import annotations

import io
from typing import Literal

import pytest
from hypothesis import given, strategies as st
from rich.console import Console

from libs.tracing import names
from tests.unit.tools.trace.waterfalls import failed, waterfall, without
from tools.trace.critical import Section
from tools.trace.drawing import bar, draw, marked
from tools.trace.jaeger import Span, Trace

WIDTH = 100
# What a laptop shows at once.
SCREEN_LINES = 40


def drawn(*spans: Span) -> str:
    return drawn_as(Trace("0f" * 16, list(spans)), WIDTH)


def drawn_as(trace: Trace, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    draw(console, trace, f"http://here/trace/{trace.id}")
    return console.file.getvalue()  # type: ignore[attr-defined]


def sums_of(text: str) -> str:
    return text.partition("Where the time went")[2].partition("\n")[2]


def line_of(name: str, text: str) -> str:
    (line,) = [line for line in text.splitlines() if f" {name} " in f" {line}"]
    return line


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


def test_a_bar_is_marked_where_most_of_a_cell_is_on_the_path() -> None:
    span = Span("s", "", "send", "ingest", 1_000, 100)
    path = [Section(1_000, 1_040, "broker"), Section(1_070, 1_080, "broker")]

    assert marked("  ██████████", span, path) == "  ████━━━█━━"
    assert marked("  ▌", span, path) == "  ▌"
    assert marked("  ▌", span, path[1:]) == "  ━"
    assert marked("▏", Span("s", "", "send", "ingest", 1_000, 0), path) == "━"


def test_a_waterfall_names_spans_times_and_where_to_see_more() -> None:
    text = drawn(
        Span("r", "", "time to glass", "pipeline", 0, 31_250),
        Span("p", "r", "process events.raw", "normalize", 10_000, 5_000),
    )

    assert "31.250 ms" in text
    assert "process events.raw" in text
    assert "normalize  5.000 ms  16%" in text
    assert line_of("unexplained", sums_of(text)).split()[1:] == ["26.250", "ms", "84%"]
    assert f"http://here/trace/{'0f' * 16}" in text
    assert max(map(len, text.splitlines())) <= WIDTH


def test_a_span_that_failed_says_so_without_colour() -> None:
    text = drawn(Span("r", "", "time to glass", "pipeline", 0, 10, {"error": True}))

    assert "time to glass (failed)" in text


def test_a_trace_without_its_root_says_what_that_means() -> None:
    assert "has not reached the glass" in drawn(Span("p", "lost", "send", "ingest", 0, 10))


def test_what_is_beside_the_critical_path_is_a_line_and_what_is_on_it_a_bar() -> None:
    text = drawn_as(waterfall(), WIDTH)

    assert set(line_of(names.ROOT, text)) & set("█━") == {"━"}
    assert set(line_of("queue events.raw", text)) & set("█━") == {"█"}
    send = line_of("send events.normalized", text)
    # 8 of 10 ms, then the next queue takes over.
    assert send.count("█") / (send.count("█") + send.count("━")) == pytest.approx(0.8, abs=0.15)
    assert send.index("█") < send.index("━")


def test_the_sums_are_grouped_by_kind_and_add_up() -> None:
    text = drawn_as(waterfall(), WIDTH)

    assert "Where the time went: queue 50%, broker 21%, database 16%, work 13%" in text
    sums = sums_of(text)
    lines = [line.split() for line in sums.splitlines() if " ms " in line]
    assert [line[0] for line in lines] == [
        "work", "normalize", "decorate", "sink", "queue", "decorate", "sink", "broker",
        "normalize", "decorate", "database", "all",
    ]  # fmt: skip
    amounts = [float(line[line.index("ms") - 1]) for line in lines]
    assert sum(amounts[:-1]) == pytest.approx(amounts[-1])
    assert "log 8.0, fetch 6.0, prefetch 4.0, slot 2.0" in sums


@pytest.mark.parametrize("width", [80, 100, 120, 200])
@pytest.mark.parametrize("shape", ["glass", "chain"])
@pytest.mark.parametrize("parts", [1, 4, 40])
def test_a_waterfall_fits_one_screen(
    parts: int, shape: Literal["glass", "chain"], width: int
) -> None:
    lines = drawn_as(waterfall(parts=parts, shape=shape), width).splitlines()

    assert max(map(len, lines)) <= width
    assert len(lines) <= SCREEN_LINES


def test_of_many_parts_the_rest_is_left_out_and_counted() -> None:
    text = drawn_as(waterfall(parts=4), WIDTH)

    assert "; 36 more spans beside it are left out" in text
    assert text.count("process events.decorated") == 1


def test_a_failed_request_says_why() -> None:
    trace = failed(waterfall(root={names.DEAD_LETTER_REASON: "too [large]"}))

    assert "Failed: too [large]" in drawn_as(trace, WIDTH)


def test_a_trace_told_afterwards_says_so() -> None:
    assert "3 events, told afterwards" in drawn_as(waterfall(root={names.RETRO: True}), WIDTH)


def test_what_was_lost_is_unexplained() -> None:
    text = drawn_as(without(waterfall(), "queue events.raw"), WIDTH)

    assert line_of("unexplained", sums_of(text)).split()[1:] == ["17.000", "ms", "17%"]
