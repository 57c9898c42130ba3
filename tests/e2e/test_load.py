"""Load while the pipeline is scaled and while its parts are killed: nothing lost, none twice."""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from typing import Any

import pytest

from services.topology import PARTITIONS, PIPELINE
from tests.stack import COMMAND_LIMIT_S, Stack, eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1_900)]

RATE = "1000"
BATCH = "10"


def start_load(stack: Stack, duration_s: int) -> subprocess.Popen[str]:
    words = ["--rate", RATE, "--duration", str(duration_s), "--batch", BATCH, "--json"]
    return stack.start_ttg("load", *words)


def report_of(load: subprocess.Popen[str]) -> dict[str, Any]:
    printed, _ = load.communicate(timeout=COMMAND_LIMIT_S)
    assert load.returncode == 0, printed
    return json.loads(printed[printed.index("{") :])


def assert_whole(report: dict[str, Any], duration_s: int) -> None:
    assert report["missing"] == 0
    assert report["doubled"] == 0
    assert report["accepted"] >= 0.9 * int(RATE) * duration_s


def partitions(stack: Stack, stage: str) -> dict[int, list[str]]:
    return {p["replica"]: p["partitions"] for p in stack.processes() if p["stage"] == stage}


def test_scaling_up_and_down_under_load_keeps_replicas_and_events(stack: Stack) -> None:
    before = stack.pids("normalize")
    load = start_load(stack, duration_s=20)
    time.sleep(3)
    up = stack.ttg("scale", "normalize", "3")
    spread = partitions(stack, "normalize")
    kept = stack.pids("normalize")
    time.sleep(2)
    down = stack.ttg("scale", "normalize", "1")

    report = report_of(load)
    assert (up.returncode, down.returncode) == (0, 0), f"{up}\n{down}"
    assert kept[0] == before[0]
    assert Counter(len(held) for held in spread.values()) == {PARTITIONS // 3: 3}
    assert len({name for held in spread.values() for name in held}) == PARTITIONS
    assert stack.pids("normalize") == before
    assert_whole(report, duration_s=20)


def test_killing_every_stage_once_under_load_loses_and_doubles_nothing(stack: Stack) -> None:
    before = {hop.stage: stack.pids(hop.stage)[0] for hop in PIPELINE}
    load = start_load(stack, duration_s=25)
    for hop in PIPELINE:
        time.sleep(4)
        stack.kill(hop.stage)

    report = report_of(load)
    assert_whole(report, duration_s=25)
    for stage, pid in before.items():
        eventually(lambda s=stage, p=pid: stack.pids(s)[0] not in (0, p), limit_s=20.0)


def test_a_quiet_run_reports_latencies_and_no_loss(stack: Stack) -> None:
    report = report_of(start_load(stack, duration_s=5))

    assert_whole(report, duration_s=5)
    assert report["refused"] == 0
    assert 0 < report["time_to_glass_ms"]["p50"] <= report["time_to_glass_ms"]["p99"]
