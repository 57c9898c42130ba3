"""What the engine says of a container, in an operator's words."""

from __future__ import annotations

from typing import Any

import pytest

from tools.compose import containers


def said(**state: Any) -> dict[str, Any]:
    usual = {"Status": "running", "Pid": 4711, "ExitCode": 0, "Health": {"Status": "healthy"}}
    return {
        "Name": "/ttg-0123abcd-normalize-3",
        "RestartCount": 2,
        "Config": {
            "Labels": {
                "com.docker.compose.service": "normalize",
                "com.docker.compose.container-number": "3",
            }
        },
        "State": {**usual, **state},
    }


def test_replicas_are_counted_from_0_as_in_native_mode() -> None:
    process = containers.process(said())

    assert (process.stage, process.replica, process.pid) == ("normalize", 2, 4711)
    assert (process.name, process.restarts) == ("ttg-0123abcd-normalize-3", 2)


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ({}, "ready"),
        ({"Health": {"Status": "starting"}}, "starting"),
        ({"Health": {"Status": "unhealthy"}}, "not ready"),
        ({"Status": "restarting", "Pid": 0}, "restarting"),
        ({"Status": "created", "Pid": 0}, "pending"),
        ({"Status": "paused"}, "paused"),
        ({"Status": "exited", "Pid": 0}, "done"),
        ({"Status": "exited", "Pid": 0, "ExitCode": 137}, "failed"),
        ({"Status": "dead", "Pid": 0}, "failed"),
        ({"Status": "removing", "Pid": 0}, "stopping"),
    ],
)
def test_a_state_is_one_word(state: dict[str, Any], word: str) -> None:
    process = containers.process(said(**state))

    assert process.state == word
    assert process.is_ready == (word in {"ready", "done"})


def test_what_has_no_health_check_is_ready_when_it_runs() -> None:
    entry = said()
    del entry["State"]["Health"]

    assert containers.process(entry).state == "ready"


def test_a_container_that_does_not_run_has_no_pid() -> None:
    assert containers.process(said(Status="exited", Pid=0)).pid is None


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("kafka-1      | Kafka Server started", "kafka        Kafka Server started"),
        ('sink-2  | {"event": "ready", "stage": "sink"}', "sink-1       sink ready"),
        ("glass-1 |", "glass-0      "),
        ("Attaching to kafka-1", "Attaching to kafka-1"),
    ],
)
def test_logs_are_shown_as_those_of_native_mode(line: str, shown: str) -> None:
    assert containers.shown(line) == shown
