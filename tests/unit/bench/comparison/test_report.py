"""What the bench prints, and what it writes into a document."""

from __future__ import annotations

import io

import msgspec
import pytest
from rich.console import Console

from bench.collector.command import VIEW as COLLECTOR_VIEW
from bench.comparison import report as reports, results
from bench.comparison.report import Report, View
from bench.comparison.results import Measured, Run
from bench.report import sheets
from bench.stack.endings import Ending, Spans
from bench.tracing.command import VIEW, losses
from tests.unit.bench.made import MACHINE

WIDTH = 80


def report_of(*, spans_lost: int = 0, rounds: int = 2) -> Report:
    runs = [
        Run(
            variant=variant,
            round=number,
            measured=Measured(
                part="stages",
                events=100_000,
                took_s=took_s + number,
                cpu_us_per_event={"sink": 10.0, "collector": 1.0},
                endings={"sink": Ending(2.0 + number, Spans(exported=90, lost=spans_lost))},
            ),
        )
        for number in range(rounds)
        for variant, took_s in (("off", 1.0), ("100%", 1.25))
    ]
    return Report(
        machine=MACHINE,
        rounds=rounds,
        events=100_000,
        batch=100,
        record_events=100,
        titles={"door": "the door", "stages": "the stages"},
        wanted={"stages": {"100%": 0.85}},
        lines=results.lines(runs),
        remarks=losses(runs),
        runs=runs,
    )


def written(report: Report, view: View = VIEW) -> str:
    return sheets.markdown(reports.account("tracing", report, view))


def printed(report: Report, view: View = VIEW) -> str:
    console = Console(file=io.StringIO(), width=WIDTH)
    sheets.draw(console, reports.account("tracing", report, view))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_a_table_has_a_row_for_each_variant() -> None:
    text = written(report_of(rounds=1))

    assert "| off | 100.0 | 1.000 |  | 10.0 | 1.000 | 1.0 |" in text
    assert "| 100% | 80.0 | 0.800 | 0.85 | 10.0 | 1.000 | 1.0 |" in text


def test_a_median_stands_with_the_lowest_and_the_highest() -> None:
    assert "| off | 75.0 (50.0-100.0) | 1.000 |" in written(report_of())


def test_a_part_that_was_not_measured_has_no_table() -> None:
    text = printed(report_of())

    assert "the stages" in text
    assert "the door" not in text


@pytest.mark.parametrize(("view", "last"), [(VIEW, "1.0"), (COLLECTOR_VIEW, "3.0")])
def test_a_row_fits_on_a_line_of_a_terminal(view: View, last: str) -> None:
    lines = printed(report_of(spans_lost=1_000_000), view).splitlines()
    (row,) = (line for line in lines if line.startswith("100% "))

    assert "0.844 (0.800-0.889)" in row
    assert row.rstrip().endswith(last)


def test_what_became_of_the_spans_stands_beside_what_it_cost() -> None:
    text = written(report_of(spans_lost=1_000, rounds=1), COLLECTOR_VIEW)

    assert "| 100% | 80.0 | 0.800 | 10.0 | 1.000 | 90 | 1,000 | 2.0 |" in text


def test_it_says_where_and_how_it_was_measured() -> None:
    text = written(report_of())

    for said in ("2026-01-02", "abc1234", "2 cores of a processor", "Python 3.11", "2 rounds"):
        assert said in text


def test_lost_spans_are_told() -> None:
    assert "lost" not in written(report_of())
    assert "100%, stages: 20 of 200 spans were lost." in written(report_of(spans_lost=10))


def test_a_script_can_read_it() -> None:
    read = msgspec.json.decode(msgspec.json.encode(report_of()), type=Report)

    assert read == report_of()
