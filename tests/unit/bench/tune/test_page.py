"""The report as a browser would read it: whole, alone, and with links that lead somewhere."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from bench.tune import chart, front, page, recommended, remarks
from bench.tune.page import Report
from bench.tune.trial import Done
from tests.pages import Page
from tests.unit.bench.tune.made import RUN, done, one_of_each

LINGER = {"linger.ms": "20"}


def report(dones: list[Done]) -> Report:
    choice = front.choose(front.points(dones))
    tuned = recommended.text(RUN, choice)
    return Report(RUN, dones, choice, tuned, Path("my tuning/tuned.env"), remarks.of(RUN, dones))


def drawn(folder: Path, dones: list[Done]) -> str:
    for one in dones:
        for shown in (one.measured.median, one.measured.slowest) if one.measured else ():
            assert shown is not None
            path = folder / shown.file
            path.parent.mkdir(exist_ok=True)
            path.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    return page.html(report(dones), folder)


def test_the_page_is_whole_and_needs_nothing_else(tmp_path: Path) -> None:
    text = drawn(tmp_path, one_of_each())
    read = Page(text)

    assert read.fetched
    assert all(one.startswith("data:image/svg+xml;base64,") for one in read.fetched)
    assert not re.search(r"<script|<link|@import|url\(|https?://", text)


def test_each_point_of_the_chart_leads_to_its_two_waterfalls(tmp_path: Path) -> None:
    dones = [done(1), done(2, LINGER, p99_ms=80, cpu_us=10), done(3, p99_ms=42)]
    text = drawn(tmp_path, dones)
    read = Page(text)

    assert {link.removeprefix("#") for link in read.links} <= read.ids
    (chart_,) = re.findall(r'<svg class="chart".*?</svg>', text, re.DOTALL)
    assert sorted(Page(chart_).links) == ["#setting-1", "#setting-2"]
    sections = re.findall(r"<section.*?</section>", text, re.DOTALL)
    assert len(sections) == 2
    for section in sections:
        assert Page(section).seen["img"] == 2
    # Of both trials of the defaults the slowest is shown.
    assert "the slowest waterfall: 84.0 ms" in sections[0]


def test_every_trial_has_a_row_also_one_that_failed(tmp_path: Path) -> None:
    failed = Done(
        number=3, trial=done(3, {"batch.size": "16384"}).trial, took_s=1.0, error="it <died>"
    )
    text = drawn(tmp_path, [done(1), done(2, LINGER), failed])

    rows = re.findall(r"<tr><td>(\d+)</td>", text)
    assert rows == ["1", "2", "3"]
    assert "it &lt;died&gt;" in text


def test_both_questions_are_answered(tmp_path: Path) -> None:
    text = drawn(tmp_path, one_of_each())

    assert "What does linger.ms add to time to glass, and what does it save in CPU?" in text
    assert "linger.ms=50 adds 0.0 ms" in text
    assert "with a slow decorate" in text


def test_a_run_that_ended_early_says_what_it_does_not_know(tmp_path: Path) -> None:
    text = drawn(tmp_path, [done(1)])

    assert text.count("Not measured: the budget ended before.") == 2
    Page(text)


def test_a_load_that_was_too_much_gets_a_chart_of_throughput(tmp_path: Path) -> None:
    dones = [done(1, stored=2_000), done(2, LINGER, stored=3_000)]
    text = drawn(tmp_path, dones)

    assert text.count('class="chart"') == 2
    assert "is more than this machine stores" in text
    Page(text)


def test_what_is_recommended_stands_there_as_it_is_in_the_file(tmp_path: Path) -> None:
    dones = [done(1, p99_ms=99), *(done(n, LINGER, p99_ms=40) for n in (2, 3))]
    text = drawn(tmp_path, dones)

    assert "KAFKA_LINGER_MS=20" in text
    assert "make up SETTINGS='my tuning/tuned.env'" in html.unescape(text)
    assert "Keep the defaults." in drawn(tmp_path, [done(1)])


def test_the_document_has_a_table_for_each_question() -> None:
    text = page.markdown(report(one_of_each()))
    tables = re.findall(r"^\|---\|.*$", text, re.MULTILINE)

    assert len(tables) == 4
    for line in text.splitlines():
        assert not line.startswith("|") or line.endswith("|")
    assert "| linger.ms 50 | 1 |" in text


def test_the_document_compares_the_front_with_the_defaults() -> None:
    dones = [done(1, p99_ms=99), *(done(n, LINGER, p99_ms=40) for n in (2, 3))]
    text = page.markdown(report(dones))

    assert text.index("| linger.ms=20 | 2 | 5,000 |") < text.index("| defaults | 1 | 5,000 |")


@pytest.mark.parametrize(
    ("low", "high", "is_log", "found"),
    [
        (0, 10, False, [0, 2, 4, 6, 8, 10]),
        (19.7, 20.3, False, [19.8, 20.0, 20.2]),
        (8, 900, True, [10, 20, 50, 100, 200, 500]),
        (40, 60, True, [40, 45, 50, 55, 60]),
    ],
)
def test_ticks_are_round(low: float, high: float, *, is_log: bool, found: list[float]) -> None:
    assert chart.ticks(low, high, is_log=is_log) == pytest.approx(found)


def test_one_point_can_be_drawn() -> None:
    points = front.points([done(1)])

    drawing = chart.scatter(points, points, lambda _point: "#x")
    assert "nan" not in drawing
    assert Page(drawing).seen["rect"] == 1
