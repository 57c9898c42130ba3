"""A command of the engine: how it ends, by itself and with whoever waited for it."""

from __future__ import annotations

import os
import threading
import time

import pytest

from tools.compose import command
from tools.compose.command import Command
from tools.errors import OperatorError

LIMIT_S = 10.0


def shell(script: str) -> list[str]:
    return ["/bin/sh", "-c", script]


def test_its_code_and_its_last_lines_are_kept() -> None:
    seen: list[str] = []

    script = "seq 20; echo the reason >&2; exit 3"
    with Command(shell(script), os.environ, seen.append) as running:
        running.wait()
    assert running.has_ended()
    assert running.code == 3
    assert running.said.splitlines()[-2:] == ["  20", "  the reason"]
    assert "  1" not in running.said.splitlines()
    assert seen[0] == "1"


def test_one_that_is_not_there_is_an_error() -> None:
    with (
        pytest.raises(OperatorError, match="no-such-program does not run"),
        Command(["/no-such-program"], os.environ),
    ):
        pass


def started(script: str) -> Command:
    """A command that has said that it is on when its `with` begins."""
    is_on = threading.Event()
    running = Command(shell(script), os.environ, lambda _: is_on.set())
    running.__enter__()
    assert is_on.wait(LIMIT_S)
    return running


def test_nobody_waits_and_it_ends_with_what_does_its_work() -> None:
    """As the client does, the first process leaves it to the second to end on a signal."""
    began = time.monotonic()

    running = started("trap : TERM; sh -c 'echo on; exec sleep 60'; echo off")
    running.__exit__(None, None, None)
    assert running.said.splitlines()[-1] == "  off"
    assert time.monotonic() - began < LIMIT_S


def test_one_that_does_not_end_when_asked_to_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_END_LIMIT_S", 0.1)

    running = started("trap '' TERM; echo on; while :; do sleep 60; done")
    running.__exit__(None, None, None)
    assert running.code == -9


def test_who_waits_no_longer_than_a_limit_is_told_what_it_said_last() -> None:
    running = started("echo on; exec sleep 60")

    with pytest.raises(OperatorError, match=r"has not ended within 0 s(.|\n)*  on"):
        running.wait(0.1)
    running.__exit__(None, None, None)
    assert running.has_ended()


def test_a_signal_to_our_group_does_not_reach_it() -> None:
    with Command(shell("ps -o pgid= -p $$"), os.environ) as running:
        running.wait()

    assert int(running.said) != os.getpgrp()
