"""Programs that the bench starts: ready, failed, finished, or stopped."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from bench.stack import programs
from bench.stack.programs import Program
from bench.stack.temporary import Stack
from tests.unit.bench.made import stack_in
from tools.errors import OperatorError

Start = Callable[[str], Awaitable[Program]]
READY = "print('ready', flush=True); "
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return stack_in(tmp_path, {})


@pytest.fixture
async def start(stack: Stack) -> AsyncGenerator[Start]:
    started: list[Program] = []

    async def go(code: str) -> Program:
        command = (sys.executable, "-c", code)
        started.append(await programs.start(stack, "a program", command, {"PEER_TABLE": "t"}))
        return started[-1]

    yield go
    for program in started:
        await program.stop()


async def test_a_program_is_ready_when_it_says_so(start: Start) -> None:
    program = await start(READY + "import time; time.sleep(60)")

    await program.become_ready()
    program.check()


async def test_one_that_fails_before_is_told_with_its_last_words(start: Start) -> None:
    program = await start("raise SystemExit('no such topic')")

    with pytest.raises(OperatorError, match=r"a program ended with code 1(.|\n)*no such topic"):
        await program.become_ready()


async def test_a_result_is_the_last_line(start: Start) -> None:
    program = await start(READY + "import os; print(os.environ['PEER_TABLE'])")

    assert await program.result(limit_s=10) == "t"


async def test_no_result_in_time_is_an_error(start: Start) -> None:
    program = await start(READY + "import time; time.sleep(60)")

    with pytest.raises(OperatorError, match="has not ended after"):
        await program.result(limit_s=0.2)


async def test_who_does_not_end_when_told_to_is_killed(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "_STOP_LIMIT_S", 0.2)
    program = await start(STUBBORN + READY + "time.sleep(60)")
    await program.become_ready()

    await program.stop()
    assert not psutil.pid_exists(program.pid)


async def test_one_that_has_ended_is_named_also_before_its_end_was_noticed(start: Start) -> None:
    program = await start("raise SystemExit(3)")
    # The loop does not run meanwhile, so it cannot be told.
    while psutil.pid_exists(program.pid):
        pass

    with pytest.raises(OperatorError, match="a program has ended"):
        program.seen()
    with pytest.raises(OperatorError, match="a program ended with code 3"):
        await program.become_ready()
    with pytest.raises(OperatorError, match="a program ended with code 3"):
        program.seen()
