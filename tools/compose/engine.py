"""The container engine and its `docker compose`: whether they are here, and how they are run."""

from __future__ import annotations

from functools import cache

from tools.errors import OperatorError
from tools.native.commands import output, version_in

# The first that takes the lines of an env file as they are (`format: raw`).
COMPOSE_MIN = (2, 30)
_PATIENCE_S = 10.0


@cache
def answers() -> bool:
    """Tell whether a container engine answers."""
    return bool(output(["docker", "info", "--format", "{{.ServerVersion}}"], timeout_s=_PATIENCE_S))


@cache
def composes() -> bool:
    """Tell whether `docker compose` is here and recent enough."""
    return _compose_version() >= COMPOSE_MIN


def require() -> None:
    """Raise `OperatorError` saying what is missing, and what to do."""
    if not answers():
        raise OperatorError(
            "No container engine answers (`docker info`); start it, name it in DOCKER_HOST, or "
            "use MODE=native, which needs none."
        )
    if not composes():
        found = ".".join(map(str, _compose_version())) or "none"
        wanted = ".".join(map(str, COMPOSE_MIN))
        raise OperatorError(
            f"`docker compose` must be {wanted} or newer, here is {found}; install the plugin, "
            "or use MODE=native, which needs none."
        )


def _compose_version() -> tuple[int, ...]:
    said = output(["docker", "compose", "version", "--short"], timeout_s=_PATIENCE_S)
    return version_in(said)
