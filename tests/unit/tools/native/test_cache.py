"""The cache of tools: made once, whole or not at all."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from tools.errors import OperatorError
from tools.native import cache


def test_a_tool_is_made_once(tmp_path: Path) -> None:
    made: list[Path] = []

    def make(target: Path) -> None:
        made.append(target)
        (target / "tool").write_text("works")

    first = cache.install(tmp_path / "cache", "tool-1.0", make)
    second = cache.install(tmp_path / "cache", "tool-1.0", make)
    assert first == second
    assert (first / "tool").read_text() == "works"
    assert len(made) == 1


def test_another_version_is_another_folder(tmp_path: Path) -> None:
    made = {cache.install(tmp_path, f"tool-{n}", lambda _: None) for n in (1, 2)}

    assert len(made) == 2


def test_what_fails_half_way_leaves_nothing_and_can_be_tried_again(tmp_path: Path) -> None:
    def fail(target: Path) -> None:
        (target / "half").touch()
        raise OperatorError("no network")

    with pytest.raises(OperatorError):
        cache.install(tmp_path, "tool-1.0", fail)

    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
    assert cache.install(tmp_path, "tool-1.0", lambda _: None).is_dir()


def test_a_cache_that_cannot_be_written_is_named_with_its_variable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(OperatorError, match="set TTG_CACHE_DIR"):
        cache.install(tmp_path / "file", "tool-1.0", lambda _: None)


def test_who_waits_long_for_another_process_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cache, "_QUIET_WAIT_S", 0.0)
    made: list[Path] = []

    with cache.locked(tmp_path, f"tool-{cache.platform_tag()}"):
        waiting = threading.Thread(target=cache.install, args=(tmp_path, "tool", made.append))
        waiting.start()
        deadline = time.monotonic() + 5
        said = ""
        while "Waiting for another process that makes tool" not in said:
            assert time.monotonic() < deadline
            said += capsys.readouterr().err
            time.sleep(0.01)
        assert not made
    waiting.join()
    assert made


def test_a_name_that_is_held_is_not_waited_for_when_that_was_not_asked(tmp_path: Path) -> None:
    with cache.locked_at_once(tmp_path, "go") as first:
        with cache.locked_at_once(tmp_path, "go") as second:
            assert (first, second) == (True, False)
