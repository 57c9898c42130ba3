"""The supervisor, process-compose: how it is started, asked and stopped."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from tools.errors import OperatorError
from tools.native import locks, sockets, sweep
from tools.native.settings import Settings
from tools.native.wheels import DEPLOY
from tools.process import Process

_TIMEOUT_S = 5.0
_LOCK_TIMEOUT_S = 5.0
_POLL_S = 0.01
# Scaling down answers when the removed replicas have drained, so it may take this long.
_SCALE_TIMEOUT_S = 60.0
# Longer than the limits of a stage and of what it stands on, which is stopped after it.
_STOP_TIMEOUT_S = 60.0
_REPLICA = re.compile(r"^(?P<stage>[a-z]+)(?:-(?P<replica>\d+))?$")


def start(settings: Settings, program: Path, environ: Mapping[str, str]) -> None:
    """Start the supervisor in a session of its own; it outlives this process."""
    with (settings.logs / "supervisor.log").open("ab") as log:
        started = subprocess.Popen(  # noqa: S603
            [
                str(program), "up",
                "--config", str(DEPLOY / "process-compose.yaml"),
                "--use-uds", "--unix-socket", str(_socket(settings)),
                "--log-file", str(settings.logs / "process-compose.log"),
                "--tui=false", "--disable-dotenv", "--ordered-shutdown",
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
            env=dict(environ), cwd=settings.run, start_new_session=True,
        )  # fmt: skip
    _pid_file(settings).write_text(f"{started.pid}\n")
    # The kernel shows the mark by which it is known a moment after it has started.
    deadline = time.monotonic() + _TIMEOUT_S
    while alive(settings) is None and started.poll() is None and time.monotonic() < deadline:
        time.sleep(_POLL_S)


def alive(settings: Settings) -> psutil.Process | None:
    """Return the supervisor of this stack, or None if it does not run."""
    try:
        process = psutil.Process(int(_pid_file(settings).read_text()))
        is_zombie = process.status() == psutil.STATUS_ZOMBIE
    except (FileNotFoundError, ValueError, psutil.Error):
        return None
    # Another process may have got its number since; a clock that was set does not matter.
    return process if not is_zombie and sweep.has_marker(process, settings.state) else None


def processes(settings: Settings) -> list[Process]:
    """Return every process of the stack, in no order. Raises `OperatorError` if none is up."""
    with _api_lock(settings, fcntl.LOCK_SH):
        listed = _request(settings, "GET", "/processes")
    return [_process(entry) for entry in listed["data"]]


def scale(settings: Settings, stage: str, replicas: int) -> None:
    """Run `replicas` of `stage`; those that run already stay, the highest ones leave first."""
    with _api_lock(settings, fcntl.LOCK_EX):
        names = [entry["name"] for entry in _request(settings, "GET", "/processes")["data"]]
        # After a first scaling a process has the number of its replica in its name.
        name = next(name for name in names if _split(name)[0] == stage)
        try:
            _request(settings, "PATCH", f"/process/scale/{name}/{replicas}", _SCALE_TIMEOUT_S)
        except _NoAnswerError as error:
            raise OperatorError(f"{stage} is still draining; see `make ps`.") from error


def restart(settings: Settings, name: str) -> None:
    """Start a process again that has ended for good."""
    with _api_lock(settings, fcntl.LOCK_EX):
        _request(settings, "POST", f"/process/restart/{name}")


def stop(settings: Settings) -> bool:
    """Stop the stack in order; return whether there was one. Past the limit it is killed."""
    process = alive(settings)
    if process is not None:
        try:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=_STOP_TIMEOUT_S)
        except psutil.TimeoutExpired:
            process.kill()
        except psutil.NoSuchProcess:
            pass
    _pid_file(settings).unlink(missing_ok=True)
    sockets.clear(settings)
    return process is not None


def _process(entry: dict[str, Any]) -> Process:
    stage, replica = _split(entry["name"])
    is_running = bool(entry["is_running"])
    return Process(
        name=entry["name"],
        stage=stage,
        replica=replica,
        status=entry["status"],
        is_healthy=entry["is_ready"] == "Ready",
        pid=entry["pid"] if is_running and entry["pid"] else None,
        restarts=entry["restarts"],
        exit_code=entry["exit_code"],
    )


def _split(name: str) -> tuple[str, int]:
    found = _REPLICA.match(name)
    if found is None:
        raise OperatorError(f"The supervisor names a process {name!r}, which is not ours.")
    return found["stage"], int(found["replica"] or 0)


def _pid_file(settings: Settings) -> Path:
    return settings.run / "supervisor.pid"


def _socket(settings: Settings) -> Path:
    return sockets.folder(settings) / "api.sock"


@contextmanager
def _api_lock(settings: Settings, kind: int) -> Generator[None]:
    # The supervisor changes its table of processes while it scales and reads it for an answer
    # without a lock of its own; one request at a time of those that change it keeps it alive.
    try:
        handle = os.open(settings.run / "api.lock", os.O_CREAT | os.O_RDWR, 0o600)
    except FileNotFoundError as error:
        raise OperatorError("No stack is up here; run `make up`.") from error
    try:
        if not locks.acquire(handle, kind, _LOCK_TIMEOUT_S):
            raise OperatorError(
                "The stack is being scaled, and replicas that leave finish their work first; "
                "ask again in a moment."
            )
        yield
    finally:
        os.close(handle)


class _NoAnswerError(OperatorError):
    """It listens, and says nothing in time."""


def _request(settings: Settings, method: str, path: str, timeout_s: float = _TIMEOUT_S) -> Any:
    connection = sockets.Connection(_socket(settings), timeout_s)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        text = answer.read()
    except (FileNotFoundError, ConnectionError) as error:
        raise OperatorError("No stack is up here; run `make up`.") from error
    except (TimeoutError, http.client.HTTPException) as error:
        raise _NoAnswerError("The supervisor does not answer; run `make down`.") from error
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise OperatorError(f"The supervisor refused {method} {path}: {text.decode()[:200]}")
    return json.loads(text)
