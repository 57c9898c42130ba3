"""The HTTP server and how many files its process may have open."""

from __future__ import annotations

import json
import resource
import subprocess
import sys

import pytest

CODE = """
import resource
from libs import logs
from libs.http_guard import Gate, Limits

resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
logs.setup("ingest", 0)
gate = Gate(Limits(connections_max=200))
print(gate.connections_max)
"""


def made(soft: int, hard: int) -> tuple[list[dict[str, object]], int]:
    """Make a gate in a process of such limits: what it logs, and how many connections it takes."""
    code = CODE.format(soft=soft, hard=hard)
    command = [sys.executable, "-c", code]
    said = subprocess.check_output(command, text=True, timeout=30)  # noqa: S603  (the code above)
    *logged, connections = said.splitlines()
    return [json.loads(line) for line in logged], int(connections)


@pytest.mark.parametrize("hard", [1_024, resource.getrlimit(resource.RLIMIT_NOFILE)[1]])
def test_it_has_the_files_its_connections_need_if_the_process_may_have_them(hard: int) -> None:
    assert made(soft=256, hard=hard) == ([], 200)


def test_it_says_that_it_takes_fewer_connections_than_it_is_told() -> None:
    (warning,), connections = made(soft=128, hard=256)

    assert connections == 96
    assert warning["level"] == "warning"
    assert (warning["connections"], warning["connections_max"]) == (96, 200)
