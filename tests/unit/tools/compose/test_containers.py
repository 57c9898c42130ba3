"""What the engine says of a container, in an operator's words."""

from __future__ import annotations

from typing import Any

import pytest

from tools.compose import containers
from tools.process import Said

READY = '{"status":"ready","reasons":[]}\n'
AWAY = '{"status":"not ready","reasons":["Kafka has not answered for 7 s: refused"]}\n'


def inspected(stage: str = "normalize", **state: Any) -> dict[str, Any]:
    usual = {"Status": "running", "Pid": 4711, "ExitCode": 0, "Health": {"Status": "healthy"}}
    return {
        "Name": f"/ttg-0123abcd-{stage}-3",
        "RestartCount": 2,
        "Config": {
            "Labels": {
                "com.docker.compose.service": stage,
                "com.docker.compose.container-number": "3",
            }
        },
        "State": {**usual, **state},
    }


def asked(*printed: str) -> dict[str, Any]:
    """The health of a container after checks that printed these."""
    return {"Status": "healthy", "Log": [{"ExitCode": 0, "Output": one} for one in printed]}


def test_replicas_are_counted_from_0_as_in_native_mode() -> None:
    process = containers.process(inspected())

    assert (process.stage, process.replica, process.pid) == ("normalize", 2, 4711)
    assert (process.name, process.restarts) == ("ttg-0123abcd-normalize-3", 2)


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ({}, "ready"),
        ({"Health": {"Status": "starting"}}, "starting"),
        # It was ready; whether it is, it says itself.
        ({"Health": {"Status": "unhealthy"}}, "ready"),
        ({"Status": "restarting", "Pid": 0, "Health": {"Status": "unhealthy"}}, "restarting"),
        ({"Status": "created", "Pid": 0}, "pending"),
        ({"Status": "paused"}, "paused"),
        ({"Status": "exited", "Pid": 0}, "done"),
        ({"Status": "exited", "Pid": 0, "ExitCode": 137}, "failed"),
        ({"Status": "dead", "Pid": 0}, "failed"),
        ({"Status": "removing", "Pid": 0}, "stopping"),
    ],
)
def test_a_state_is_one_word(state: dict[str, Any], word: str) -> None:
    process = containers.process(inspected(**state))

    assert process.state == word
    assert process.is_ready == (word in {"ready", "done"})


def test_what_has_no_health_check_is_ready_when_it_runs() -> None:
    entry = inspected()
    del entry["State"]["Health"]

    assert containers.process(entry).state == "ready"


def test_a_container_that_does_not_run_has_no_pid() -> None:
    assert containers.process(inspected(Status="exited", Pid=0)).pid is None


@pytest.mark.parametrize("service", ["kafka", "postgres", "jaeger"])
def test_what_does_not_say_itself_how_it_is_is_what_its_health_check_says(service: str) -> None:
    ill = containers.process(inspected(service, Health={"Status": "unhealthy"}))

    assert (ill.state, ill.is_ready) == ("not ready", False)
    assert containers.said(inspected(service, Health=asked("refused"))) is None


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        (READY, Said("ready")),
        (AWAY, Said("not ready", ("Kafka has not answered for 7 s: refused",))),
        ("connect: refused\nline 7: refused\n", Said("no answer", ("connect: refused",))),
        ("took too long (3s)", Said("no answer", ("took too long (3s)",))),
        ("", Said("no answer")),
    ],
)
def test_a_stage_is_what_it_said_last(printed: str, said: Said) -> None:
    assert containers.said(inspected(Health=asked(READY, AWAY, printed))) == said


def test_a_stage_that_nobody_has_asked_has_said_nothing() -> None:
    assert containers.said(inspected(Health={"Status": "starting", "Log": None})) is None
    assert containers.said(inspected(Health=asked())) is None


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
