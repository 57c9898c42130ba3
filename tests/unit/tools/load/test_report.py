"""The accounts of a load: what counts as whole, and what an operator reads."""

from __future__ import annotations

import io
from collections import Counter

import msgspec
import pytest
from rich.console import Console

from tools.load import report as reports
from tools.load.account import Found
from tools.load.plan import Plan
from tools.load.report import Report
from tools.load.sender import Outcome

PLAN = Plan.of(rate_events_per_s=100, duration_s=1, batch=10)


def report_of(outcome: Outcome, found: Found) -> Report:
    return reports.of(PLAN, outcome, found, took_s=2.0)


def accepted(*requests: int) -> Outcome:
    outcome = Outcome(accepted=list(requests), sent=len(requests))
    for _ in requests:
        outcome.answer_us.record_value(5_000)
    return outcome


def printed(report: Report) -> str:
    console = Console(file=io.StringIO(), width=100)
    reports.draw(console, report)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_counts_are_of_events() -> None:
    outcome = accepted(0, 1, 2)
    outcome.unknown = [3]
    outcome.refused = Counter({422: 2})

    report = report_of(outcome, Found(stored_of_unknown=4))
    assert (report.accepted, report.unknown, report.refused) == (30, 10, 20)
    assert report.refused_by_status == {422: 20}
    assert report.accepted_events_per_s == 15


@pytest.mark.parametrize(
    "found", [Found(missing=1), Found(doubled=1), Found(foreign=1)], ids=["1", "2", "3"]
)
def test_one_event_lost_or_twice_there_or_never_sent_is_not_whole(found: Found) -> None:
    assert report_of(accepted(0), Found()).is_whole
    assert not report_of(accepted(0), found).is_whole


def test_a_run_of_which_nothing_was_accepted_is_not_whole() -> None:
    assert not report_of(Outcome(), Found()).is_whole


def test_percentiles_are_in_milliseconds_and_absent_without_values() -> None:
    found = Found()
    for ms in range(1, 101):
        found.time_to_glass_us.record_value(ms * 1_000)

    report = report_of(Outcome(), found)
    assert report.answer_ms == {}
    assert report.time_to_glass_ms["p50"] == pytest.approx(50, rel=0.002)
    assert report.time_to_glass_ms["p99"] == pytest.approx(99, rel=0.002)


def test_the_printed_report_names_what_is_missing_and_why_it_was_refused() -> None:
    outcome = accepted(0)
    outcome.refused, outcome.refusal = Counter({401: 1}), '{"error":"the Api-Key is not known"}'

    text = printed(report_of(outcome, Found(missing=1, missing_ids=["an-id"])))
    assert "an-id" in text
    assert "401: 10" in text
    assert "the Api-Key is not known" in text


def test_the_report_leads_to_the_slowest_trace() -> None:
    text = printed(report_of(accepted(0), Found(slowest_trace_id="ab" * 16)))

    assert f"make trace ID={'ab' * 16}" in text


def test_a_script_can_read_it() -> None:
    report = report_of(accepted(0), Found())

    read = msgspec.json.decode(msgspec.json.encode(report))
    assert read["accepted"] == 10
    assert {"refused", "unknown", "missing", "doubled", "time_to_glass_ms"} <= read.keys()
