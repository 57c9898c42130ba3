"""Ranks and judgements as text."""

from __future__ import annotations

import io

from rich.console import Console

from libs.tracing import names
from tests.unit.tools.trace.waterfalls import failed, stretched, waterfall
from tools.trace import budget, tables
from tools.trace.jaeger import Trace
from tools.trace.judgement import judge
from tools.trace.ranking import slowest, took_us

NARROW = 80
TRACES = [
    *(stretched(waterfall(f"{n:032x}"), 1 + n) for n in range(10)),
    failed(stretched(waterfall("e" * 32, parts=40), 10)),
    stretched(waterfall("f" * 32, root={names.RETRO: True, names.REQUEST_EVENTS: 10_000}), 60),
]


def ranked(traces: list[Trace], count: int) -> list[str]:
    console = Console(file=io.StringIO(), width=NARROW, highlight=False)
    tables.draw_ranks(console, slowest(traces, count), [took_us(trace) for trace in traces])
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def judged(found: dict[str, dict[str, float]]) -> list[str]:
    console = Console(file=io.StringIO(), width=NARROW, highlight=False)
    tables.draw_judgement(console, judge(budget.parse(found, "here"), TRACES))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def test_ranks_fit_a_narrow_terminal_with_whole_trace_ids() -> None:
    lines = ranked(TRACES, 12)

    assert max(map(len, lines)) <= NARROW
    assert lines[0] == "The slowest 12 of 12 traces, the newest in Jaeger"
    (first,) = [line for line in lines if line.rstrip().endswith("f" * 32) and "make" not in line]
    assert first.split() == ["6,000.000", "queue", "normalize", "20%", "10,000", "retro", "f" * 32]
    for trace in TRACES:
        assert any(trace.id in line for line in lines)


def test_ranks_say_what_is_normal_what_failed_and_what_to_do_next() -> None:
    text = "\n".join(ranked(TRACES, 3))

    assert "p50 600.0 ms, p90 4,900.0 ms, p99 6,000.0 ms" in text
    assert "1 of them failed" in text
    assert f"make trace ID={'f' * 32}" in text


def test_a_judgement_has_a_line_for_every_limit() -> None:
    lines = judged(
        {
            "time_to_glass": {"p50_ms": 50, "queue_share_max": 0.6},
            "sink": {"database_commit_p99_ms": 1_000},
        }
    )

    assert (
        lines[0] == "Judged 10 traces, the newest in Jaeger (left out: 1 failed, 1 told afterwards)"
    )
    assert [line.split() for line in lines[3:6]] == [
        ["time_to_glass", "p50_ms", "500.000", "ms", "50", "ms", "over"],
        ["queue_share_max", "50.0%", "60.0%", "ok"],
        ["sink", "database_commit_p99_ms", "60.000", "ms", "1,000", "ms", "ok"],
    ]
    assert lines[-1] == "1 of 3 limits exceeded"
    assert max(map(len, lines)) <= NARROW


def test_a_judgement_says_when_all_is_well() -> None:
    assert judged({"sink": {"work_p99_ms": 1_000}})[-1] == "0 of 1 limits exceeded"
