"""Limits from a file, and traces held against them."""

from __future__ import annotations

from pathlib import Path

import pytest

from libs.tracing import names
from services.topology import PIPELINE
from tests.unit.tools.trace.waterfalls import failed, stretched, waterfall
from tools.env import REPOSITORY
from tools.errors import OperatorError
from tools.trace import budget
from tools.trace.jaeger import Trace
from tools.trace.judgement import TRACES_MIN, as_json, judge

EXAMPLE = REPOSITORY / "deploy" / "trace-budget.toml"


def measured(text: str, traces: list[Trace], tmp_path: Path) -> dict[str, float]:
    path = tmp_path / "budget.toml"
    path.write_text(text)
    verdicts = judge(budget.read(path), traces).verdicts
    return {verdict.limit.key: verdict.measured for verdict in verdicts}


def many(count: int = 10) -> list[Trace]:
    """Traces of 100, 200, 300 ms and so on."""
    return [stretched(waterfall(f"{n:032x}"), n + 1) for n in range(count)]


def test_the_example_is_a_budget_and_names_every_stage() -> None:
    limits = budget.read(EXAMPLE)

    assert {limit.section for limit in limits} == {
        "time_to_glass",
        *(hop.stage for hop in PIPELINE),
    }
    assert judge(limits, [waterfall(f"{n:032x}") for n in range(TRACES_MIN)]).is_kept


def test_percentiles_are_of_the_traces_that_were_seen(tmp_path: Path) -> None:
    text = "[time_to_glass]\np50_ms = 1\np90_ms = 1\np99_ms = 1\nmax_ms = 1"

    assert measured(text, many(), tmp_path) == {
        "p50_ms": 500, "p90_ms": 900, "p99_ms": 1_000, "max_ms": 1_000,
    }  # fmt: skip


def test_a_stage_is_measured_by_kind_and_by_part(tmp_path: Path) -> None:
    text = "[normalize]\nwork_max_ms = 1\nqueue_max_ms = 1\nqueue_slot_max_ms = 1\n"
    text += "broker_max_ms = 1\n[sink]\ndatabase_commit_max_ms = 1"

    assert measured(text, many(), tmp_path) == {
        "work_max_ms": 20, "queue_max_ms": 200, "queue_slot_max_ms": 20, "broker_max_ms": 80,
        "database_commit_max_ms": 60,
    }  # fmt: skip


def test_shares_are_of_the_time_of_all(tmp_path: Path) -> None:
    text = "[time_to_glass]\nqueue_share_max = 1\nunexplained_share_max = 1\n"
    text += "[sink]\ndatabase_share_max = 1"

    assert measured(text, many(), tmp_path) == {
        "queue_share_max": 0.5, "unexplained_share_max": 0, "database_share_max": 0.16,
    }  # fmt: skip


def test_a_limit_is_kept_up_to_its_value_and_not_past_it() -> None:
    within = budget.parse({"time_to_glass": {"max_ms": 1_000}}, "here")
    over = budget.parse({"time_to_glass": {"max_ms": 999.999, "p50_ms": 500}}, "here")

    assert judge(within, many()).is_kept
    assert [verdict.is_kept for verdict in judge(over, many()).verdicts] == [False, True]
    assert not judge(over, many()).is_kept


def test_what_failed_or_is_there_because_it_was_slow_is_left_out_and_counted() -> None:
    limits = budget.parse({"time_to_glass": {"max_ms": 100}}, "here")
    normal = [waterfall(f"{n:032x}") for n in range(TRACES_MIN)]
    odd = [
        failed(waterfall("a" * 32)),
        stretched(waterfall("b" * 32, root={names.RETRO: True}), 50),
        failed(waterfall("c" * 32, root={names.RETRO: True})),
    ]

    judged = judge(limits, [*normal, *odd])
    assert (judged.judged, judged.failed, judged.retro) == (TRACES_MIN, 1, 2)
    assert judged.is_kept


def test_too_few_traces_are_nothing_to_judge_by() -> None:
    limits = budget.parse({"time_to_glass": {"max_ms": 100}}, "here")

    with pytest.raises(OperatorError, match="9 traces are nothing to judge by, it takes 10"):
        judge(limits, many(9))


def test_a_script_gets_every_limit() -> None:
    limits = budget.parse({"sink": {"queue_share_max": 0.05}}, "here")

    assert as_json(judge(limits, many())) == {
        "is_kept": False,
        "judged": 10,
        "left_out": {"failed": 0, "retro": 0},
        "limits": [
            {
                "section": "sink",
                "key": "queue_share_max",
                "measured": 0.1,
                "limit": 0.05,
                "is_kept": False,
            }
        ],
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no limit"),
        ("p50_ms =", "is not TOML"),
        ("[normalise]\nwork_p99_ms = 1", r"\[normalise\] is no section.*\[normalize\]"),
        ("p50_ms = 1", r"\[p50_ms\] is no section of a budget"),
        ("[normalize]\nwork_p98_ms = 1", "no limit 'work_p98_ms'; known are work, queue,"),
        ("[normalize]\np50_ms = 1", "no limit 'p50_ms'"),
        ("[ingest]\nqueue_p50_ms = 1", "no limit 'queue_p50_ms'; known are work, work_parse,"),
        ("[decorate]\ndatabase_p50_ms = 1", "no limit 'database_p50_ms'"),
        ("[sink]\nbroker_p50_ms = 1", "database_commit, each with one of _p50_ms, .*_share_max"),
        ("[time_to_glass]\nshare_max = 1", "no limit 'share_max'; known are p50_ms,"),
        ("[sink]\nwork_p50_ms = '1'", "work_p50_ms is '1', and must be a number of ms"),
        ("[sink]\nwork_p50_ms = true", "work_p50_ms is True"),
        ("[sink]\nwork_p50_ms = -1", "must be a number of ms"),
        ("[sink]\nwork_p50_ms = nan", "must be a number of ms"),
        ("[sink]\nwork_share_max = 50", "is 50, and must be a number from 0 to 1"),
    ],
)
def test_what_is_no_budget_is_refused_with_a_sentence(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "budget.toml"
    path.write_text(text)

    with pytest.raises(OperatorError, match=says):
        budget.read(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"nowhere\.toml cannot be read: No such file"):
        budget.read(tmp_path / "nowhere.toml")
