"""What the engine says of the containers of a project, as processes."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

from tools.errors import OperatorError
from tools.native.commands import output
from tools.native.logfiles import pretty
from tools.process import Process

_TIMEOUT_S = 20.0
_LABEL = "com.docker.compose"
_PREFIX = re.compile(r"^(?P<stage>[a-z]+)-(?P<number>\d+)\s+\| ?(?P<line>.*)$")
_STATUS = {"exited": "Completed", "created": "Pending", "dead": "Error", "removing": "Terminating"}
_NUMBERED = ("ingest", "normalize", "decorate", "sink", "glass")
_NAME_WIDTH = 12


def ids(project: str) -> list[str]:
    """Return every container of the project, running or not."""
    filters = (f"{_LABEL}.project={project}", f"{_LABEL}.oneoff=False")
    words = [word for one in filters for word in ("--filter", f"label={one}")]
    return output(["docker", "ps", "--all", "--quiet", *words], timeout_s=_TIMEOUT_S).split()


def processes(project: str) -> list[Process]:
    """Return the containers as processes. Raises `OperatorError` if there is none."""
    found = ids(project)
    if not found:
        raise OperatorError("No stack is up here; run `make up`.")
    # One that goes away in between is no failure.
    asked = subprocess.run(  # noqa: S603
        ["docker", "inspect", *found],  # noqa: S607
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    return [process(entry) for entry in json.loads(asked.stdout or "[]")]


def process(entry: dict[str, Any]) -> Process:
    """Read what `docker inspect` says of one container."""
    labels, state = entry["Config"]["Labels"], entry["State"]
    return Process(
        name=entry["Name"].removeprefix("/"),
        stage=labels[f"{_LABEL}.service"],
        # Compose counts from 1.
        replica=int(labels[f"{_LABEL}.container-number"]) - 1,
        status=_status(state),
        is_healthy=state.get("Health", {}).get("Status", "healthy") == "healthy",
        pid=state["Pid"] or None,
        restarts=entry["RestartCount"],
        exit_code=state["ExitCode"],
    )


def _status(state: dict[str, Any]) -> str:
    if state["Status"] == "running" and state.get("Health", {}).get("Status") == "unhealthy":
        return "not ready"
    return _STATUS.get(state["Status"], state["Status"].capitalize())


def shown(line: str) -> str:
    """Return a line of `docker compose logs` as `ttg logs` prints it."""
    found = _PREFIX.match(line)
    if found is None:
        return line
    stage, replica = found["stage"], int(found["number"]) - 1
    name = f"{stage}-{replica}" if stage in _NUMBERED else stage
    return f"{name:<{_NAME_WIDTH}} {pretty(found['line'])}"
