"""What the processes of a stack take."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from bench.stack import fleet
from bench.stack.fleet import Usage
from bench.stack.temporary import Stack
from tools.env import StackEnv
from tools.native.settings import Settings

REACHED = StackEnv(*[""] * 7)
WORK = "sum(range(10**7)); print(flush=True); input()"


def test_a_database_takes_what_its_connections_do_also_those_that_have_ended() -> None:
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {WORK!r}]); input()"
    with subprocess.Popen(  # noqa: S603  (our own interpreter)
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        pids = {"kafka": os.getpid(), "jaeger": os.getpid(), "postgres": parent.pid}
        stack = Stack(Settings(Path("state"), Path("cache")), REACHED, pids)
        parent.stdout.readline()
        alive = fleet.look(stack, [])
        parent.stdin.write(b"\n")
        parent.stdin.flush()
        while fleet.look(stack, []).files["postgres"] >= alive.files["postgres"]:
            pass
        ended = fleet.look(stack, [])
        parent.kill()

    assert alive.cpu_s["postgres"] > 0.1
    assert ended.cpu_s["postgres"] >= alive.cpu_s["postgres"]
    assert ended.rss_bytes["postgres"] < alive.rss_bytes["postgres"]


def test_the_time_of_an_event_lies_between_two_looks() -> None:
    before = Usage(at_s=0, cpu_s={"sink": 1.0}, rss_bytes={}, files={})
    after = Usage(at_s=1, cpu_s={"sink": 1.5}, rss_bytes={}, files={})

    assert fleet.us_per_event(before, after, events=100_000) == {"sink": 5}
