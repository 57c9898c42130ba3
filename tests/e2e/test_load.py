"""Load while the pipeline is scaled and while its parts are killed: nothing lost, none twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from services.topology import PARTITIONS, PIPELINE
from tests.stack import COMMAND_LIMIT_S, Stack, eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1_900)]

RATE = "1000"
BATCH = "10"
# Between two changes events flow for a while: what is measured is the load, so the clock decides.
UNDER_LOAD_S = 4.0
# Longer than any fault and its repair; a load is ended when these are over.
DURATION_MAX_S = 120


@contextmanager
def load(stack: Stack, duration_s: int = DURATION_MAX_S) -> Iterator[subprocess.Popen[str]]:
    """Send events; what is still sending at the end is ended."""
    words = ["--rate", RATE, "--duration", str(duration_s), "--batch", BATCH, "--json"]
    with stack.start_ttg("load", *words) as started:
        try:
            yield started
        finally:
            started.kill()


def end(load: subprocess.Popen[str]) -> dict[str, Any]:
    """End a load before its time, as Ctrl-C does, and return its accounts."""
    assert load.poll() is None, "the load was over before the last fault"
    load.send_signal(signal.SIGINT)
    return report_of(load)


def report_of(load: subprocess.Popen[str]) -> dict[str, Any]:
    printed, _ = load.communicate(timeout=COMMAND_LIMIT_S)
    assert load.returncode == 0, printed
    return json.loads(printed[printed.index("{") :])


def assert_whole(report: dict[str, Any]) -> None:
    assert report["missing"] == 0
    assert report["doubled"] == 0
    assert report["accepted"] >= 0.9 * int(RATE) * report["duration_s"]


def partitions(stack: Stack, stage: str) -> dict[int, list[str]]:
    return {p["replica"]: p["partitions"] for p in stack.processes() if p["stage"] == stage}


def test_scaling_up_and_down_under_load_keeps_replicas_and_events(stack: Stack) -> None:
    before = stack.pids("normalize")
    with load(stack) as sending:
        time.sleep(UNDER_LOAD_S)
        up = stack.ttg("scale", "normalize", "3")
        spread = partitions(stack, "normalize")
        kept = stack.pids("normalize")
        time.sleep(UNDER_LOAD_S)
        down = stack.ttg("scale", "normalize", "1")
        report = end(sending)

    assert (up.returncode, down.returncode) == (0, 0), f"{up}\n{down}"
    assert kept[0] == before[0]
    assert Counter(len(held) for held in spread.values()) == {PARTITIONS // 3: 3}
    assert len({name for held in spread.values() for name in held}) == PARTITIONS
    assert stack.pids("normalize") == before
    assert_whole(report)


def test_killing_every_stage_once_under_load_loses_and_doubles_nothing(stack: Stack) -> None:
    before = {hop.stage: stack.pids(hop.stage)[0] for hop in PIPELINE}
    with load(stack) as sending:
        for pid in before.values():
            time.sleep(UNDER_LOAD_S)
            os.kill(pid, signal.SIGKILL)
        time.sleep(UNDER_LOAD_S)
        report = end(sending)

    assert_whole(report)
    for stage, pid in before.items():
        eventually(lambda s=stage, p=pid: stack.pids(s).get(0, p) != p, limit_s=20.0)


def test_a_quiet_run_reports_latencies_and_no_loss(stack: Stack) -> None:
    with load(stack, duration_s=5) as sending:
        report = report_of(sending)

    assert_whole(report)
    assert report["refused"] == 0
    assert 0 < report["time_to_glass_ms"]["p50"] <= report["time_to_glass_ms"]["p99"]
