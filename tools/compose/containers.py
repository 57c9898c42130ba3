"""What the engine says of the containers of a project, as processes."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from services.topology import PIPELINE
from tools.compose import engine
from tools.errors import OperatorError
from tools.native.logfiles import pretty
from tools.process import Process, Said

_LABEL = "com.docker.compose"
_PREFIX = re.compile(r"^(?P<stage>[a-z]+)-(?P<number>\d+)\s+\| ?(?P<line>.*)$")
_STATUS = {"exited": "Completed", "created": "Pending", "dead": "Error", "removing": "Terminating"}
_STAGES = (*(hop.stage for hop in PIPELINE), "glass")
_NAME_WIDTH = 12
# Some engines have a copy of the image's files for each of its layers.
_REMOVE_LIMIT_S = 120.0


def ids(project: str) -> list[str]:
    """Return every container of the project, running or not.

    Raises `OperatorError` if the engine does not say: that is not the same as none.
    """
    filters = (f"{_LABEL}.project={project}", f"{_LABEL}.oneoff=False")
    words = [word for one in filters for word in ("--filter", f"label={one}")]
    return engine.told("ps", "--all", "--quiet", *words).split()


def volumes(project: str) -> list[str]:
    """Return the names of the volumes of the project. Raises `OperatorError` as `ids` does."""
    label = f"label={_LABEL}.project={project}"
    return sorted(engine.told("volume", "ls", "--quiet", "--filter", label).split())


def remove_image(name: str) -> None:
    """Remove an image, if it is there. Raises `OperatorError` if the engine does not."""
    asked = engine.ask("image", "rm", name, limit_s=_REMOVE_LIMIT_S)
    if asked.returncode and "no such image" not in asked.stderr.lower():
        raise engine.refused("image rm", asked.stderr)


def inspected(found: Sequence[str]) -> list[dict[str, Any]]:
    """Return what the engine says of containers, by id or name.

    Raises `OperatorError` for none, and if the engine does not say.
    """
    if not found:
        raise OperatorError("No stack is up here; run `make up`.")
    asked = engine.ask("inspect", *found)
    # One that goes away in between is no failure.
    if asked.returncode and "no such object" not in asked.stderr.lower():
        raise engine.refused("inspect", asked.stderr)
    return json.loads(asked.stdout or "[]")


def process(entry: dict[str, Any]) -> Process:
    """Read what `docker inspect` says of one container."""
    labels, state = entry["Config"]["Labels"], entry["State"]
    return Process(
        name=entry["Name"].removeprefix("/"),
        stage=labels[f"{_LABEL}.service"],
        # Compose counts from 1.
        replica=int(labels[f"{_LABEL}.container-number"]) - 1,
        status=_status(entry),
        # As in native mode: it has been ready since it started. Whether it is now, it says itself.
        is_healthy=_health(entry) != "starting",
        pid=state["Pid"] or None,
        restarts=entry["RestartCount"],
        exit_code=state["ExitCode"],
    )


def said(entry: dict[str, Any]) -> Said | None:
    """Read what a stage has answered last to its health check; `None` if nobody asked it."""
    checks = entry["State"].get("Health", {}).get("Log") or []
    if not _is_stage(entry) or not checks:
        return None
    printed = checks[-1]["Output"].strip()
    try:
        answer = json.loads(printed)
        return Said(answer["status"], tuple(answer["reasons"]))
    except ValueError:
        # It does not listen, or the engine did not wait longer and says so.
        return Said("no answer", tuple(printed.splitlines()[:1]))


def _status(entry: dict[str, Any]) -> str:
    # What is not of ours does not say it itself.
    if _health(entry) == "unhealthy" and not _is_stage(entry):
        return "not ready"
    status: str = entry["State"]["Status"]
    return _STATUS.get(status, status.capitalize())


def _health(entry: dict[str, Any]) -> str:
    """Return `starting`, `healthy` or `unhealthy`; empty if it does not run or nobody looks."""
    state = entry["State"]
    health: dict[str, str] = state.get("Health") or {}
    return health.get("Status", "") if state["Status"] == "running" else ""


def _is_stage(entry: dict[str, Any]) -> bool:
    return entry["Config"]["Labels"][f"{_LABEL}.service"] in _STAGES


def shown(line: str) -> str:
    """Return a line of `docker compose logs` as `ttg logs` prints it."""
    found = _PREFIX.match(line)
    if found is None:
        return line
    stage, replica = found["stage"], int(found["number"]) - 1
    name = f"{stage}-{replica}" if stage in _STAGES else stage
    return f"{name:<{_NAME_WIDTH}} {pretty(found['line'])}"
