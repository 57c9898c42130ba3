"""`ttg up`: starts the stack, waits until all of it is ready, says what to try next."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated
from urllib.parse import urlsplit

from cyclopts import Parameter

from tools import env, mode as modes, settings_file
from tools.env import StackEnv
from tools.errors import OperatorError
from tools.mode import Mode
from tools.native import checks, locks, secret, settings as native_settings, stack
from tools.native.settings import Settings
from tools.process import Process, order
from tools.progress import Step
from tools.settings_file import StageSettingsFile

_READY_TIMEOUT_S = 120.0
_POLL_S = 0.2
# A process that ended this often during one wait does not become ready by another try.
_RESTARTS_MAX = 4
_TAIL_LINES = 15
# What the stack was started with, as long as it is up.
SETTINGS_FILE = "settings.env"


def up(*, settings_from: Annotated[Path | None, Parameter(name="--settings")] = None) -> None:
    """Start the pipeline and wait until it is ready.

    Reads TTG_STATE_DIR, TTG_PORT_BASE, TTG_CACHE_DIR and MODE. Variables named OTEL_*, KAFKA_*,
    TRACE_* or after a stage (INGEST_*, NORMALIZE_*, …) reach the stages.

    Parameters
    ----------
    settings_from
        A file of such variables, as `make tune` writes it; one that the shell has too wins. They
        hold as long as the stack is up, for replicas that come later as well.
    """
    wish = settings_file.read(settings_from) if settings_from else StageSettingsFile()
    # PostgreSQL's account must reach what is made here; what is private sets its own mode.
    os.umask(0o022)
    _interrupt_on_signals()
    settings = native_settings.current()
    checks.check_paths(settings)
    with alone(settings):
        mode = modes.for_start(settings)
        if mode.is_up() and settings.env_file.is_file():
            refuse_other_settings(settings, wish)
            _repair(settings, mode)
        else:
            _start(settings, mode, wish)
    _say_what_next(settings)


@contextmanager
def alone(settings: Settings) -> Generator[None]:
    """Hold the stack: a second `ttg` that would change it is refused. Raises `OperatorError`."""
    checks.check_folder(settings.state, 0, "TTG_STATE_DIR")
    stack.claim(settings)
    settings.run.mkdir(exist_ok=True)
    handle = os.open(settings.run / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        if not locks.acquire(handle, fcntl.LOCK_EX, 0):
            raise OperatorError(
                "Another `make up`, `make down` or `make clean` works on this stack; "
                "let it end first."
            )
        yield
    finally:
        os.close(handle)


def take_down(settings: Settings) -> bool:
    """Stop the stack and whatever is left of it; return whether anything ran."""
    stopped = [mode.stop() for mode in modes.left(settings)]
    settings.env_file.unlink(missing_ok=True)
    modes.forget(settings)
    return any(stopped)


def _start(settings: Settings, mode: Mode, wish: StageSettingsFile) -> None:
    take_down(settings)
    mode.check()
    stack.lay_out(settings)
    (settings.run / SETTINGS_FILE).write_text(wish.text)
    shell = wish.under(stack.held_variables())
    reached = mode.prepare(shell)
    try:
        modes.record(settings, mode)
        mode.start(reached, shell)
        _wait(mode)
        _scale(mode, wish.replicas)
        secret.write(settings.env_file, env.render(reached))
    except BaseException:
        # Also on Ctrl-C, and a second one does not stop the stopping, which has its own limits:
        # nothing half-started stays.
        _ignore_signals()
        take_down(settings)
        raise


def _scale(mode: Mode, replicas: Mapping[str, int]) -> None:
    wanted = {stage: count for stage, count in replicas.items() if count > 1}
    for stage, count in wanted.items():
        mode.scale(stage, count)
    if wanted:
        _wait(mode)


def _repair(settings: Settings, mode: Mode) -> None:
    refuse_other_ports(settings, env.parse(settings.env_file.read_text()))
    ended = [one for one in mode.processes() if one.state in {"failed", "waiting"}]
    for process in ended:
        mode.restart(process)
    _wait(mode)
    _print("The stack is up already." if not ended else "What had ended runs again.")


def refuse_other_ports(settings: Settings, reached: StackEnv) -> None:
    """Raise `OperatorError` if the running stack is not where `settings` would start it."""
    up_at = urlsplit(reached.ingest_url).port
    if up_at != settings.port("ingest"):
        raise OperatorError(
            f"This stack is up at the ports from {up_at} on, not from {settings.port_base} on; "
            "run `make down` first."
        )


def refuse_other_settings(settings: Settings, wish: StageSettingsFile) -> None:
    """Raise `OperatorError` if the running stack was started with other settings than `wish`."""
    path = settings.run / SETTINGS_FILE
    if wish.text and wish.text != (path.read_text() if path.is_file() else ""):
        raise OperatorError("This stack is up with other settings; run `make down` first.")


def _wait(mode: Mode) -> None:
    deadline = time.monotonic() + _READY_TIMEOUT_S
    restarts_before: dict[str, int] = {}
    with Step("Starting") as step:
        while True:
            processes = sorted(_listed(mode), key=order)
            step.update("  ".join(f"{one.name} {one.state}" for one in processes))
            if processes and all(one.is_ready for one in processes):
                return
            for one in processes:
                restarts_before.setdefault(one.name, one.restarts)
            _refuse_failed(mode, hopeless(processes, restarts_before))
            if time.monotonic() > deadline:
                raise _late(mode, next((one for one in processes if not one.is_ready), None))
            time.sleep(_POLL_S)


def _listed(mode: Mode) -> list[Process]:
    try:
        return mode.processes()
    except OperatorError:
        # It does not listen yet; the caller looks whether it lives, and at the clock.
        return []


def hopeless(processes: Sequence[Process], restarts_before: Mapping[str, int]) -> Process | None:
    """Return the first process that no waiting makes ready; `None` if there is none.

    `restarts_before` says how often each had been restarted before the wait: a stack that has run
    for days may have many behind it.
    """
    for one in processes:
        restarts = one.restarts - restarts_before[one.name]
        if not one.is_ready and (one.state == "failed" or restarts >= _RESTARTS_MAX):
            return one
    return None


def _refuse_failed(mode: Mode, process: Process | None) -> None:
    if not mode.is_up():
        raise OperatorError("The supervisor ended by itself:\n" + mode.tail(None, _TAIL_LINES))
    if process is not None:
        raise OperatorError(
            f"{process.name} does not start (exit code {process.exit_code}). Its log ends:\n"
            + mode.tail(process, _TAIL_LINES)
        )


def _late(mode: Mode, process: Process | None) -> OperatorError:
    name = process.name if process else "The supervisor"
    return OperatorError(
        f"{name} is not ready after {_READY_TIMEOUT_S:.0f} s. Its log ends:\n"
        + mode.tail(process, _TAIL_LINES)
    )


def _say_what_next(settings: Settings) -> None:
    reached = env.parse(settings.env_file.read_text())
    event = '{"name": "room.temperature", "value": 21.5}'
    _print(
        f"""
Ready. Send an event:
  curl -sS {reached.ingest_url}/v1/events -H 'Api-Key: {reached.api_key}' \\
    -H 'Content-Type: application/json' -d '{event}'
Then try:
  make trace                              the newest waterfall, in this terminal
  make load RATE=500 DURATION=10 BATCH=10 load, and every event accounted for
  make ps                                 processes and their partitions
  make scale STAGE=normalize N=3          more of one stage, live
  make down                               stop; the data stays
Query  {reached.glass_url}/v1/events?name=room.temperature
Traces {reached.jaeger_url}
Shell  . {settings.env_file}"""
    )


def _interrupt_on_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):
        # `nohup make up` has asked not to be told that its terminal is gone.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _ignore_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
