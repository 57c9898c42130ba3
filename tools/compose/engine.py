"""The container engine and its `docker compose`: whether they are here, and how they are asked."""

from __future__ import annotations

import subprocess
from functools import cache

from tools.errors import OperatorError
from tools.native.commands import version_in

# The first that takes the lines of an env file as they are (`format: raw`).
COMPOSE_MIN = (2, 30)
# To tell whether it is there at all.
_PATIENCE_S = 10.0
# For an answer of one that is there and may have much to do.
_ANSWER_LIMIT_S = 20.0


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


def ask(*words: str, limit_s: float = _ANSWER_LIMIT_S) -> subprocess.CompletedProcess[str]:
    """Run `docker`, its two outputs apart. Raises `OperatorError` if it does not run or end."""
    try:
        return subprocess.run(  # noqa: S603
            ["docker", *words],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise OperatorError(
            f"The container engine has not answered `docker {words[0]}` within {limit_s:.0f} s; "
            "it may have too much to do: try again, or see what `docker info` says."
        ) from error
    except OSError as error:
        raise OperatorError(
            f"`docker` does not run ({error}); install it, or use MODE=native, which needs none."
        ) from error


def told(*words: str) -> str:
    """Return what `docker` prints. Raises `OperatorError` with what it complains of."""
    asked = ask(*words)
    if asked.returncode:
        raise refused(words[0], asked.stderr)
    return asked.stdout


def refused(word: str, complaint: str) -> OperatorError:
    """Return the error for a command of `docker` that has failed."""
    return OperatorError(
        f"`docker {word}` failed ({complaint.strip()}); see whether the engine "
        "runs (`docker version`), start it, or name it in DOCKER_HOST."
    )


def _version() -> tuple[str, str]:
    """Return what the engine says its version is, and what the client complains of."""
    return _asked("version", "--format", "{{.Server.Version}}")


def _compose_version() -> tuple[int, ...]:
    return version_in(_asked("compose", "version", "--short")[0])


def _asked(*words: str) -> tuple[str, str]:
    """Return the two outputs of `docker`; the first is empty if it fails or does not end."""
    try:
        asked = ask(*words, limit_s=_PATIENCE_S)
    except OperatorError:
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
