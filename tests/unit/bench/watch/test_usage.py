"""What the processes of a stack take."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from bench.watch import usage
from bench.watch.usage import Usage
from tests.unit.bench.made import stack_in

WORK = "sum(range(10**7)); print(flush=True); input()"


def test_a_database_takes_what_its_connections_do_also_those_that_have_ended(
    tmp_path: Path,
) -> None:
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {WORK!r}]); input()"
    with subprocess.Popen(  # noqa: S603  (our own interpreter)
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        pids = {"kafka": os.getpid(), "jaeger": os.getpid(), "postgres": parent.pid}
        stack = stack_in(tmp_path, pids)
        parent.stdout.readline()
        alive = usage.look(stack, [])
        parent.stdin.write(b"\n")
        parent.stdin.flush()
        while usage.look(stack, []).files["postgres"] >= alive.files["postgres"]:
            pass
        ended = usage.look(stack, [])
        parent.kill()

    assert alive.cpu_s["postgres"] > 0.1
    assert ended.cpu_s["postgres"] >= alive.cpu_s["postgres"]
    assert ended.rss_bytes["postgres"] < alive.rss_bytes["postgres"]


def test_the_time_of_an_event_lies_between_two_looks() -> None:
    before = Usage(at_s=0, cpu_s={"sink": 1.0}, rss_bytes={}, files={})
    after = Usage(at_s=1, cpu_s={"sink": 1.5}, rss_bytes={}, files={})

    assert usage.us_per_event(before, after, events=100_000) == {"sink": 5}
