"""What is said of a process, in an operator's words."""

from __future__ import annotations

from typing import Any

import pytest

from tools.process import Process, order


def process(stage: str = "sink", replica: int = 0, **said: Any) -> Process:
    usual = {"status": "Running", "is_healthy": True, "pid": 1, "restarts": 0, "exit_code": 0}
    return Process(name=stage, stage=stage, replica=replica, **{**usual, **said})


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ({}, "ready"),
        ({"is_healthy": False}, "starting"),
        ({"status": "Completed"}, "done"),
        ({"status": "Completed", "exit_code": 1}, "failed"),
        ({"status": "Error"}, "failed"),
        ({"status": "Skipped"}, "waiting"),
        ({"status": "Terminating"}, "stopping"),
        ({"status": "Pending"}, "pending"),
        ({"status": "Restarting"}, "restarting"),
    ],
)
def test_a_state_is_one_word(said: dict[str, Any], state: str) -> None:
    assert process(**said).state == state
    assert process(**said).is_ready == (state in {"ready", "done"})


def test_processes_are_listed_as_the_flow_goes() -> None:
    mixed = [process("glass"), process("normalize", 1), process("kafka"), process("normalize"),
             process("ingest")]  # fmt: skip

    listed = [(one.stage, one.replica) for one in sorted(mixed, key=order)]
    assert listed == [("kafka", 0), ("ingest", 0), ("normalize", 0), ("normalize", 1), ("glass", 0)]
