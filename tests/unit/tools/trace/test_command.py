"""What `ttg trace` takes, prints and returns."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from libs.clock import now_us
from tests.unit.tools.trace.waterfalls import waterfall, without
from tools.errors import OperatorError
from tools.trace import command, jaeger
from tools.trace.command import trace
from tools.trace.jaeger import Trace

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> list[Trace]:
    """The traces that Jaeger holds."""
    traces: list[Trace] = []
    monkeypatch.setattr(command, "load", lambda: SimpleNamespace(jaeger_url="http://here"))
    monkeypatch.setattr(jaeger, "QUIET_S", 0.0)

    def between(_url: str, start_us: int, end_us: int, limit: int) -> list[Trace]:
        return [t for t in traces if t.root and start_us <= t.root.start_us <= end_us][:limit]

    monkeypatch.setattr(jaeger, "between", between)
    monkeypatch.setattr(jaeger, "find", lambda _url, id: next(t for t in traces if t.id == id))
    return traces


def a_minute_ago(trace_id: str) -> Trace:
    return waterfall(trace_id, start_us=now_us() - 60_000_000)


def a_dozen() -> list[Trace]:
    return [a_minute_ago(f"{number:032x}") for number in range(12)]


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_json_of_a_trace_has_its_spans_and_its_critical_path(
    held: list[Trace], capsys: Capture
) -> None:
    held.append(a_minute_ago("a" * 32))

    assert trace("A" * 32, json=True) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["id"], len(said["spans"])) == ("a" * 32, 14)
    spent_us = [section["end_us"] - section["start_us"] for section in said["critical_path"]]
    assert sum(spent_us) == said["spans"][0]["duration_us"]


def test_the_slowest_are_printed_and_the_progress_goes_to_stderr(
    held: list[Trace], capsys: Capture
) -> None:
    held += a_dozen()

    assert trace(slowest=3, among=5) == 0
    said = capsys.readouterr()
    assert said.out.startswith("The slowest 3 of 5 traces")
    assert "Reading traces" in said.err
    assert "Reading traces" not in said.out


def test_the_slowest_are_json_for_a_script(held: list[Trace], capsys: Capture) -> None:
    held += a_dozen()

    assert trace(slowest=3, json=True) == 0
    assert len(json.loads(capsys.readouterr().out)) == 3


def test_without_traces_there_is_nothing_to_rank(held: list[Trace]) -> None:
    held.append(without(a_minute_ago("a" * 32), "time to glass"))

    with pytest.raises(OperatorError, match="no traces yet"):
        trace(slowest=3)


@pytest.mark.parametrize(("limit_ms", "code"), [(100, 0), (99, 1)])
def test_the_exit_code_says_whether_a_budget_is_kept(
    held: list[Trace], capsys: Capture, tmp_path: Path, limit_ms: int, code: int
) -> None:
    held += a_dozen()
    budget = written(tmp_path / "budget.toml", f"[time_to_glass]\np99_ms = {limit_ms}")

    assert trace(budget=budget) == code
    assert "Judged 12 traces" in capsys.readouterr().out
    assert trace(budget=budget, json=True) == code
    assert json.loads(capsys.readouterr().out)["is_kept"] is (code == 0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[time_to_glass]\np99_ms = 1", "ttg: 2 traces are nothing to judge by"),
        ("[sink]\nbroker_p99_ms = 1", "has no limit 'broker_p99_ms'"),
    ],
)
def test_what_cannot_be_judged_is_told_apart_from_what_is_over(
    held: list[Trace], capsys: Capture, tmp_path: Path, text: str, says: str
) -> None:
    held += a_dozen()[:2]

    assert trace(budget=written(tmp_path / "budget.toml", text)) == 2
    assert says in capsys.readouterr().err


def test_only_one_thing_is_done_at_a_time(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="not two of them"):
        trace(slowest=3, budget=tmp_path)
    with pytest.raises(OperatorError, match="not two of them"):
        trace("a" * 32, slowest=3)
    with pytest.raises(OperatorError, match="not two of them"):
        trace(svg=tmp_path, budget=tmp_path)
