"""The table of faults itself, and what is drawn for a run of all together."""

from __future__ import annotations

import random

import pytest

from services.topology import PIPELINE
from tests.faults import chaos, report
from tests.faults.mechanism import MECHANISMS, ROOT
from tests.faults.record import Limits
from tests.faults.rows import ROWS, chosen
from tests.faults.scene import Result
from tests.faults.times import curve_s, recovered_us, worst_lag_us

# Those of the table that must be there before anything is promised; F56 is `make chaos`.
WANTED = (
    *("F01", "F02", "F03", "F04", "F05", "F06", "F08", "F09", "F10", "F14", "F15", "F19"),
    *("F20", "F21", "F22", "F23", "F29", "F31", "F32", "F34", "F37", "F38", "F39", "F40"),
    *("F47", "F48", "F51", "F55", "F58", "F59"),
)
START_US = 1_000_000_000
SECOND_US = 1_000_000


def test_every_fault_that_matters_has_a_row_that_must_pass() -> None:
    there = {row.name.split(".")[0] for row in chosen("F") if row.is_p0}

    assert there >= set(WANTED)


def test_no_two_rows_have_one_name() -> None:
    names = [row.name for row in chosen("F")]

    assert len(set(names)) == len(names)


def test_a_name_chooses_its_windows_too() -> None:
    assert {row.name for row in chosen("F02")} >= {"F02", "F02.windows"}
    assert not chosen("F99")
    assert len(chosen("F02,F20")) == len(chosen("F02")) + len(chosen("F20"))


def test_no_row_may_pass_with_a_load_or_a_fault_that_is_too_small_to_prove_anything() -> None:
    assert all(row.acked_min >= Limits().acked_min for row in ROWS)
    assert all(row.faults_min >= 1 for row in ROWS)


def test_a_seed_draws_the_same_periods_again_and_a_quarter_of_them_is_quiet() -> None:
    draws = [
        [chaos.drawn(choice)[0] for _ in range(1_000)] for choice in map(random.Random, (7, 7))
    ]

    assert draws[0] == draws[1]
    assert 200 < draws[0].count("quiet") < 300
    for hop in PIPELINE:
        assert any(hop.stage in name for name in draws[0])


def test_the_test_of_a_mechanism_exists() -> None:
    for row in MECHANISMS:
        path, _, name = row.test.partition("::")
        assert f"def {name}(" in (ROOT / path).read_text()


def test_a_table_takes_the_place_of_the_one_before_it_and_nothing_else_changes() -> None:
    document = "a\n<!-- x: written by make -->\n\nold\n\n<!-- x: end -->\nb\n"

    once = report.put(document, "x", "| new |\n")
    assert once == document.replace("old", "| new |")
    assert report.put(once, "x", "old") == document
    with pytest.raises(ValueError, match="the document needs"):
        report.put("nothing", "x", "new")


def test_a_line_tells_lost_and_doubled_apart_and_what_cannot_be_counted() -> None:
    verdict = {"faults": 2, "acked": 12_000, "lost": 3, "doubled": 4, "recovery_s": 1.25}
    one = Result("F01", "door killed", 5.0, {**verdict, "verdict": "red"})
    other = Result("F34", "codes", verdict={**verdict, "doubled": None, "verdict": "green"})

    lines = report.table([one, other]).splitlines()
    assert lines[2] == "| F01 | door killed | 2 | 12,000 | 3 | 4 | 1.2 s | 5 s | red |"
    assert lines[3] == "| F34 | codes | 2 | 12,000 | 3 | - | 1.2 s | - | green |"


def seen(*lags_s: float) -> list[tuple[int, int]]:
    """Events that were due a tenth of a second apart, and took so long."""
    due_us = [START_US + n * SECOND_US // 10 for n in range(len(lags_s))]
    return [(due, due + int(lag * SECOND_US)) for due, lag in zip(due_us, lags_s, strict=True)]


def test_a_recovery_begins_when_two_seconds_in_a_row_are_in_time() -> None:
    # Late for a second, a moment in time, late again, and then in time.
    events = seen(*[3.0] * 10, *[0.1] * 5, *[2.0] * 5, *[0.1] * 40)

    assert recovered_us(events, START_US, events[-1][0]) == 2 * SECOND_US
    assert worst_lag_us(events) == 3 * SECOND_US


def test_without_delay_there_is_nothing_to_recover_from() -> None:
    events = seen(*[0.1] * 50)

    assert recovered_us(events, START_US, events[-1][0]) == 0


def test_the_curve_has_the_worst_of_each_second() -> None:
    assert curve_s(seen(*[0.1] * 9, 3.0, *[0.2] * 10), START_US) == [3.0, 0.2]


def test_what_stays_behind_to_the_end_has_not_recovered() -> None:
    events = seen(*[3.0] * 50)

    assert recovered_us(events, START_US, events[-1][0]) is None
