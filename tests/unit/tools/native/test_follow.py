"""Following a log that grows, is rotated and is moved away."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.native.follow import Reader


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "sink-0.log"
    path.write_text("".join(f"line {n}\n" for n in range(100)))
    return path


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_at_first_come_the_last_lines_and_then_each_line_once(log: Path) -> None:
    reader = Reader(log, lines=2)

    assert reader.new_lines() == ["line 98", "line 99"]
    assert reader.new_lines() == []
    append(log, "one\ntwo\nthree\n")
    assert reader.new_lines() == ["one", "two", "three"]
    assert reader.new_lines() == []


def test_a_line_is_shown_when_it_is_whole(log: Path) -> None:
    append(log, "half ")
    reader = Reader(log, lines=1)

    assert reader.new_lines() == ["line 99"]
    append(log, "a line\n")
    assert reader.new_lines() == ["half a line"]


def test_no_lines_means_only_what_is_added(log: Path) -> None:
    reader = Reader(log, lines=0)

    assert reader.new_lines() == []
    append(log, "added\n")
    assert reader.new_lines() == ["added"]


def test_a_log_that_is_moved_away_is_waited_for_and_its_successor_read_whole(log: Path) -> None:
    reader = Reader(log, lines=1)
    reader.new_lines()

    log.rename(log.with_name("sink-0-2026-01-31T10-00-00.000.log"))
    assert reader.new_lines() == []
    log.write_text("first\nsecond\n")
    assert reader.new_lines() == ["first", "second"]


def test_a_successor_that_is_longer_already_is_read_whole(log: Path) -> None:
    reader = Reader(log, lines=1)
    reader.new_lines()

    log.rename(log.with_name("before.log"))
    log.write_text("new\n" * 1_000)
    assert len(reader.new_lines()) == 1_000
