"""The end of processes that do not turn any more, in processes that may end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from libs.stage import watchdog

ROOT = Path(__file__).parents[4]

# Watches itself, says so, and then does what the test asks for.
SCRIPT = """
import asyncio, sys, time
import uvloop
from libs import logs
from libs.stage import watchdog

async def main():
    logs.setup("probe", 0)
    asyncio.create_task(asyncio.sleep(60), name="a-sleeper")
    with watchdog.watching({limit_s}):
        print("watching", flush=True)
        {deed}

uvloop.run(main())
"""


def start(deed: str, limit_s: float = 0.6) -> subprocess.Popen[str]:
    script = SCRIPT.format(deed=deed, limit_s=limit_s)
    process = subprocess.Popen(  # noqa: S603  (our own words)
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "watching\n"
    return process


def end_of(process: subprocess.Popen[str]) -> tuple[int, list[str]]:
    """Wait for the end: the exit code and what was said."""
    assert process.stdout is not None
    with process:
        said = process.stdout.read().splitlines()
    return process.returncode, said


def test_a_loop_that_stands_still_is_ended_with_all_stacks_in_the_log() -> None:
    code, said = end_of(start("time.sleep(30)"))

    assert code == watchdog.EXIT_NOT_LIVE
    entry = json.loads(said[-1])
    assert entry["event"] == "the event loop stands still"
    assert entry["exit_code"] == watchdog.EXIT_NOT_LIVE
    main, sleeper = entry["stacks"].partition("task a-sleeper")[::2]
    assert "in main" in main.partition("thread MainThread")[2]
    assert "in sleep" in sleeper


def test_a_log_that_nobody_reads_does_not_keep_it_alive() -> None:
    # The pipe is full, and the log's lock is held by who waits for room in it.
    fill = "import logging; [logging.getLogger('x').warning('y' * 1000) for _ in range(10_000)]"
    process = start(fill)

    assert process.wait(timeout=15) == watchdog.EXIT_NOT_LIVE
    assert process.stdout is not None
    process.stdout.close()


@pytest.mark.parametrize("deed", ["await asyncio.sleep(2)", "time.sleep(0.3)"])
def test_a_loop_that_turns_is_left_alone(deed: str) -> None:
    code, _ = end_of(start(deed))

    assert code == 0


def test_a_process_that_was_stopped_goes_on() -> None:
    process = start("await asyncio.sleep(3)")
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(2)
    os.kill(process.pid, signal.SIGCONT)
    code, _ = end_of(process)

    assert code == 0
