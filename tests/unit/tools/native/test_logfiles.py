"""Which log files there are, and what is shown of their lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.native import logfiles
from tools.native.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(tmp_path / "state", tmp_path / "cache")
    settings.logs.mkdir(parents=True)
    for name in ("kafka", "sink-0", "sink-1", "sink-0-2026-01-31T10-00-00.000", "ingest-0"):
        (settings.logs / f"{name}.log").write_text(f"{name}\n")
    return settings


def test_a_stage_has_one_log_for_each_replica_and_old_ones_are_left_out(settings: Settings) -> None:
    assert [path.stem for path in logfiles.files(settings, "sink")] == ["sink-0", "sink-1"]
    assert [path.stem for path in logfiles.files(settings)] == [
        "ingest-0", "kafka", "sink-0", "sink-1",
    ]  # fmt: skip


def test_only_the_last_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "long.log"
    path.write_text("".join(f"line {n}\n" for n in range(100_000)))

    assert logfiles.last(path, 2) == ["line 99998", "line 99999"]


def test_a_log_that_is_not_there_is_said_to_be_missing(settings: Settings) -> None:
    assert logfiles.tail(settings, "jaeger", 5) == "(no log)"


def test_a_stages_line_is_shown_as_text_and_others_as_they_are() -> None:
    line = (
        '{"timestamp":"2026-11-24T05:22:50.756Z","level":"info","stage":"sink","replica":0,'
        '"event":"partitions assigned","partitions":[0,1]}'
    )

    assert logfiles.pretty(line) == "05:22:50.756 info sink-0 partitions assigned partitions=[0, 1]"
    assert logfiles.pretty("2026 WARN broker") == "2026 WARN broker"
    assert logfiles.pretty('{"level":"warn"}') == '{"level":"warn"}'


def test_a_name_is_not_taken_for_a_pattern(settings: Settings) -> None:
    assert logfiles.files(settings, "(") == []
    assert logfiles.files(settings, ".*") == []
