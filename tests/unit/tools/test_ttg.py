"""What an operator reads when the system refuses something."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from tools import ttg


def refused(number: int, filename: str | None) -> OSError:
    return OSError(number, os.strerror(number), filename)


def test_a_full_disk_is_named_with_what_helps() -> None:
    said = ttg.sentence(refused(errno.ENOSPC, "/state/env"))

    assert said.startswith("/state/env: No space left on device; make room on its disk")


def test_a_file_that_may_not_be_written_is_named_with_what_helps() -> None:
    said = ttg.sentence(refused(errno.EACCES, "/state/env"))

    assert said.startswith("/state/env: Permission denied; check its permissions")


def test_an_error_without_a_file_is_a_sentence_too() -> None:
    assert ttg.sentence(refused(errno.ECONNRESET, None)).startswith("Connection reset by peer; ")
    assert ttg.sentence(TimeoutError()).startswith("TimeoutError; ")


def test_a_command_that_the_system_refuses_ends_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full() -> None:
        raise refused(errno.ENOSPC, "/state/env")

    monkeypatch.setattr(ttg, "application", lambda *_called: full)
    with pytest.raises(SystemExit) as ended:
        ttg.main()

    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("ttg: /state/env: No space left on device; ")


def printed(*words: str) -> str:
    command = [sys.executable, "-m", "tools", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)  # noqa: S603
    return done.stdout


def test_the_list_of_commands_says_what_each_is_for() -> None:
    listed = printed("--help")

    for name, (_where, line) in ttg.COMMANDS.items():
        assert name in listed
        assert line.split(",")[0].rstrip(".") in listed


@pytest.mark.parametrize("name", ["load", "trace", "headers", "dlq ls", "dlq show", "dlq replay"])
def test_the_help_of_a_command_shows_how_it_is_called(name: str) -> None:
    assert f"    ttg {name}" in printed(*name.split(), "--help")
