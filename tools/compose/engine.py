"""The container engine and its `docker compose`: whether they are here, and how they are asked."""

from __future__ import annotations

import subprocess
from functools import cache

from tools.errors import OperatorError
from tools.native.commands import version_in

# The first that takes the lines of an env file as they are (`format: raw`).
COMPOSE_MIN = (2, 30)
_PATIENCE_S = 10.0


@cache
def answers() -> bool:
    """Tell whether a container engine answers."""
    # Clients without an engine print an empty line, and some of them call that a success.
    return bool(version_in(_version()[0]))


@cache
def composes() -> bool:
    """Tell whether `docker compose` is here and recent enough."""
    return _compose_version() >= COMPOSE_MIN


def require() -> None:
    """Raise `OperatorError` saying what is missing, and what to do."""
    if not answers():
        raise OperatorError(_no_answer(_version()[1]))
    if not composes():
        found = ".".join(map(str, _compose_version())) or "none"
        wanted = ".".join(map(str, COMPOSE_MIN))
        raise OperatorError(
            f"`docker compose` must be {wanted} or newer, here is {found}; install the plugin, "
            "or use MODE=native, which needs none."
        )


def _version() -> tuple[str, str]:
    """Return what the engine says its version is, and what the client complains of."""
    return _asked("version", "--format", "{{.Server.Version}}")


def _compose_version() -> tuple[int, ...]:
    return version_in(_asked("compose", "version", "--short")[0])


def _asked(*words: str) -> tuple[str, str]:
    """Return the two outputs of `docker`; the first is empty if it fails or does not end."""
    try:
        asked = subprocess.run(  # noqa: S603
            ["docker", *words],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "", ""
    return ("" if asked.returncode else asked.stdout), asked.stderr


def _no_answer(complaint: str) -> str:
    if "permission denied" in complaint.lower():
        return (
            "This account may not speak to the container engine (permission denied); add it to "
            "the group of the engine's socket (`sudo usermod -aG docker $USER`, then log in "
            "again), or use MODE=native, which needs no engine."
        )
    return (
        "No container engine answers (`docker version`); start it, name it in DOCKER_HOST, or "
        "use MODE=native, which needs none."
    )
