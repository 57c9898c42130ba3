"""Signals, in processes that may end."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from libs.stage import watchdog

ROOT = Path(__file__).parents[4]

SCRIPT = """
import asyncio, sys, threading, time
from libs import logs, stage
sys.modules["libs.stage.run"].DRAIN_LIMIT_S = {limit_s}

async def main():
    logs.setup("probe", 0)
    stop = stage.stop_on_signal()
    {has_begun}
    try:
        print("up", flush=True)
        {deed}
    finally:
        print("closed", flush=True)

stage.launch(main)
"""


def run(
    deed: str, *signals: signal.Signals, has_begun: bool = True, limit_s: float = 15
) -> tuple[int, Sequence[str]]:
    """Start it, send the signals once it is up, and give its exit code and what it says."""
    begun = "stop.begun()" if has_begun else "pass"
    script = SCRIPT.format(deed=deed, limit_s=limit_s, has_begun=begun)
    process = subprocess.Popen(  # noqa: S603  (our own words)
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    lines: list[str] = []
    for number in signals:
        process.send_signal(number)
        if number is not signal.SIGHUP:
            lines.append(process.stdout.readline())
    with process:
        lines += process.stdout.read().splitlines()
    return process.returncode, lines


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_a_drain(number: signal.Signals) -> None:
    code, said = run("await stop.wait()", number)

    assert code == 0
    assert said[-1] == "closed"
    assert '"draining"' in said[0]


def test_a_terminal_that_is_closed_changes_nothing() -> None:
    code, said = run("await asyncio.wait_for(stop.wait(), 1)", signal.SIGHUP)

    assert code == 1, said
    assert "TimeoutError" in said[-1]


def test_a_second_signal_ends_it_at_once() -> None:
    code, said = run("await asyncio.sleep(30)", signal.SIGTERM, signal.SIGTERM)

    assert code == watchdog.EXIT_UNDRAINED
    assert "closed" not in said


def test_a_drain_that_takes_too_long_ends_without_one_and_says_where_it_was() -> None:
    code, said = run("await asyncio.sleep(30)", signal.SIGTERM, limit_s=0.3)

    assert code == watchdog.EXIT_UNDRAINED
    assert "not drained in time" in said[-1]
    assert "in main" in said[-1]


def test_a_thread_that_outlives_the_loop_does_not_hold_the_process() -> None:
    hang = "threading.Thread(target=time.sleep, args=(30,)).start(); await stop.wait()"
    code, said = run(hang, signal.SIGTERM, limit_s=0.5)

    assert code == watchdog.EXIT_UNDRAINED
    assert "closed" in said


def test_a_start_is_broken_off() -> None:
    code, said = run("await asyncio.sleep(30)", signal.SIGTERM, has_begun=False)

    assert code == 0
    assert "closed" in said
    assert "stopped while it was starting" in said[-1]


def test_a_cancellation_that_nobody_asked_for_is_a_failure() -> None:
    code, _ = run("raise asyncio.CancelledError")

    assert code != 0
