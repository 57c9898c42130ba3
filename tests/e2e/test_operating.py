"""Bringing a stack down and up again, and what its commands print."""

from __future__ import annotations

import os
import signal
import uuid

import pytest

from libs.tracing import names
from services.topology import PIPELINE, TOPICS
from tests.modes import native_only
from tests.stack import Stack, eventually, members, run_ttg

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1_900)]


def stored(stack: Stack) -> str:
    event_id = str(uuid.uuid4())
    assert stack.post({"event_id": event_id, "name": "probe", "value": 1}).status == 202
    eventually(lambda: stack.events(f"event_id={event_id}"))
    return event_id


def test_ps_lists_every_process_and_who_reads_what(stack: Stack) -> None:
    listed = {p["stage"]: p for p in stack.processes()}

    stages = {hop.stage for hop in PIPELINE}
    assert stages | {"kafka", "postgres", "jaeger", "glass"} <= listed.keys()
    assert all(listed[stage]["pid"] > 0 for stage in stages)
    for hop in PIPELINE:
        held = {name.rsplit("-", 1)[0] for name in listed[hop.stage]["partitions"]}
        assert held == ({hop.reads} if hop.reads else set())


@pytest.mark.parametrize("topic", TOPICS)
def test_every_record_has_one_traceparent_and_one_tracestate(stack: Stack, topic: str) -> None:
    stored(stack)

    printed = stack.ttg("headers", topic, "--count", "1").stdout
    assert printed.count(f"{names.TRACEPARENT}=") == 1
    assert printed.count(f"{names.TRACESTATE}=") == 1


def test_the_newest_waterfall_is_drawn_in_the_terminal(stack: Stack) -> None:
    stored(stack)

    drawn = stack.ttg("trace")
    assert drawn.returncode == 0
    for line in (names.ROOT, "process events.raw", "INSERT event", stack.values["JAEGER_URL"]):
        assert line in drawn.stdout


def test_a_waterfall_is_written_as_a_picture(stack: Stack) -> None:
    stored(stack)
    path = stack.state_dir.parent / "waterfall.svg"

    written = stack.ttg("trace", "--svg", str(path))
    assert written.returncode == 0, written
    assert f">{names.ROOT}<" in path.read_text()


def test_a_second_up_changes_nothing(stack: Stack) -> None:
    before = stack.pids("normalize")

    up = stack.ttg("up")
    assert up.returncode == 0
    assert stack.pids("normalize") == before


def test_a_taken_port_is_named_and_nothing_is_left_behind(stack: Stack) -> None:
    other = stack.state_dir.parent / "other"

    up = run_ttg(other, stack.port_base, "up")
    assert up.returncode != 0
    assert "TTG_PORT_BASE" in up.stderr + up.stdout
    assert "Traceback" not in up.stderr
    assert not (other / "env").exists()
    assert not members(other)
    run_ttg(other, stack.port_base, "clean")


def test_down_leaves_no_process_and_up_finds_the_data_again(stack: Stack) -> None:
    event_id = stored(stack)

    down = stack.ttg("down")
    left = members(stack.state_dir)
    up = stack.ttg("up")

    assert (down.returncode, up.returncode) == (0, 0), f"{down}\n{up}"
    assert left == []
    assert len(stack.events(f"event_id={event_id}")) == 1
    stored(stack)


@native_only("The supervisor that is killed is native mode's.")
def test_up_repairs_a_stack_whose_supervisor_was_killed(stack: Stack) -> None:
    event_id = stored(stack)
    for process in members(stack.state_dir):
        if "process-compose" in process.name():
            os.kill(process.pid, signal.SIGKILL)

    up = stack.ttg("up")
    assert up.returncode == 0, f"{up.stdout}\n{up.stderr}"
    assert len(stack.events(f"event_id={event_id}")) == 1
    stored(stack)
