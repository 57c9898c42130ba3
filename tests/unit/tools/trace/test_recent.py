"""The newest of thousands of traces, in pages that Jaeger fills as it likes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings, strategies as st

from libs.tracing import names
from tools.trace import recent as recents
from tools.trace.jaeger import Span, Trace
from tools.trace.recent import LOOK_BACK_US, PAGE_TRACES, Ask, recent

NOW_US = 1_700_000_000_000_000


def ended(ago_us: int, took_us: int = 0) -> Trace:
    root = Span("r", "", names.ROOT, "pipeline", NOW_US - ago_us - took_us, took_us)
    return Trace(f"{ago_us}+{took_us}", [root])


def holding(traces: Sequence[Trace], asked: list[int]) -> Ask:
    """A Jaeger that gives any of the traces that fit, here the oldest."""

    def ask(start_us: int, end_us: int, limit: int) -> list[Trace]:
        asked.append(limit)
        fitting = [t for t in traces if t.root and start_us <= t.root.start_us <= end_us]
        return sorted(fitting, key=lambda t: t.root.start_us if t.root else 0)[:limit]

    return ask


@pytest.fixture
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recents, "PAGE_TRACES", 8)


@pytest.mark.usefixtures("_small_pages")
@settings(deadline=None)
@given(st.sets(st.integers(0, 4_000_000), max_size=60), st.integers(1, 60))
def test_it_finds_exactly_the_newest(ago_us: set[int], among: int) -> None:
    found = recent(holding([ended(ago) for ago in ago_us], []), NOW_US, among, lambda _: None)

    assert found == [ended(ago) for ago in sorted(ago_us)[:among]]


def test_thousands_take_pages_and_not_one_question_each() -> None:
    asked: list[int] = []
    traces = [ended(number * 1_000) for number in range(5_000)]

    found = recent(holding(traces, asked), NOW_US, 2_000, lambda _: None)
    assert found == traces[:2_000]
    assert len(asked) < 40
    assert max(asked) == PAGE_TRACES


def test_a_quiet_night_is_passed_in_few_questions() -> None:
    asked: list[int] = []
    night_us = 10 * 3_600 * 1_000_000

    assert recent(holding([ended(night_us)], asked), NOW_US, 10, lambda _: None) == [
        ended(night_us)
    ]
    assert len(asked) < 20


def test_what_had_not_ended_or_is_too_old_is_left_out() -> None:
    under_way = ended(-5, took_us=10)
    traces = [under_way, ended(5), ended(LOOK_BACK_US + 1)]

    assert recent(holding(traces, []), NOW_US, 10, lambda _: None) == [ended(5)]


def test_more_at_one_moment_than_a_page_holds_does_not_ask_for_ever() -> None:
    traces = [Trace(str(number), ended(7).spans) for number in range(PAGE_TRACES + 50)]

    assert len(recent(holding(traces, []), NOW_US, 1_000, lambda _: None)) == PAGE_TRACES


def test_it_says_how_far_it_is() -> None:
    said: list[str] = []

    recent(holding([ended(5), ended(6)], []), NOW_US, 2_000, said.append)
    assert said[-1] == "2 of up to 2,000"
