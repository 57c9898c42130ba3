"""`ttg up`: starts the stack, waits until all of it is ready, says what to try next."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

from tools import env
from tools.errors import OperatorError
from tools.native import checks, secret, settings as native_settings, stack, supervisor, sweep
from tools.native.logfiles import tail
from tools.native.settings import Settings
from tools.native.supervisor import Process
from tools.progress import Step

_READY_TIMEOUT_S = 120.0
_POLL_S = 0.2
# A process that ended this often does not become ready by another try.
_RESTARTS_MAX = 4
_TAIL_LINES = 15


def up() -> None:
    """Start the pipeline and wait until it is ready.

    Reads TTG_STATE_DIR, TTG_PORT_BASE, TTG_CACHE_DIR and MODE. Variables named OTEL_*, KAFKA_*,
    TRACE_* or after a stage (INGEST_*, NORMALIZE_*, …) reach the stages.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    settings = native_settings.current()
    with alone(settings):
        if supervisor.alive(settings) is not None:
            _repair(settings)
        else:
            _start(settings)
    _say_what_next(settings)


@contextmanager
def alone(settings: Settings) -> Generator[None]:
    """Hold the stack: a second `ttg` that would change it is refused. Raises `OperatorError`."""
    checks.check_folder(settings.state, 0, "TTG_STATE_DIR")
    settings.run.mkdir(parents=True, exist_ok=True)
    (settings.state / stack.OURS).touch()
    handle = os.open(settings.run / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise OperatorError(
            "Another `make up`, `make down` or `make clean` works on this stack; let it end first."
        ) from error
    finally:
        os.close(handle)


def take_down(settings: Settings) -> bool:
    """Stop the stack and whatever is left of it; return whether anything ran."""
    was_up = supervisor.stop(settings)
    leftovers = sweep.sweep(settings.state)
    settings.env_file.unlink(missing_ok=True)
    return was_up or leftovers > 0


def _start(settings: Settings) -> None:
    take_down(settings)
    checks.check(settings)
    stack.lay_out(settings)
    programs = stack.find_programs(settings)
    reached = stack.prepare(settings, programs)
    shell = stack.held_variables()
    try:
        supervisor.start(
            settings,
            programs.supervisor,
            stack.environment(settings, programs, reached, shell),
        )
        _wait(settings)
        secret.write(settings.env_file, env.render(reached))
    except BaseException:
        # Also on Ctrl-C: nothing half-started stays.
        take_down(settings)
        raise


def _repair(settings: Settings) -> None:
    ended = [one for one in supervisor.processes(settings) if one.state in {"failed", "waiting"}]
    for process in ended:
        supervisor.restart(settings, process.name)
    _wait(settings)
    _print("The stack is up already." if not ended else "What had ended runs again.")


def _wait(settings: Settings) -> None:
    deadline = time.monotonic() + _READY_TIMEOUT_S
    processes: list[Process] = []
    with Step("Starting") as step:
        while not processes or not all(process.is_ready for process in processes):
            if supervisor.alive(settings) is None:
                raise OperatorError(
                    "The supervisor ended by itself:\n" + tail(settings, "supervisor", _TAIL_LINES)
                )
            processes = _listed(settings)
            step.update("  ".join(f"{one.name} {one.state}" for one in _in_order(processes)))
            _refuse_failed(settings, processes)
            if time.monotonic() > deadline:
                late = next(one for one in _in_order(processes) if not one.is_ready)
                raise OperatorError(
                    f"{late.name} is not ready after {_READY_TIMEOUT_S:.0f} s. Its log ends:\n"
                    + tail(settings, late.stage, _TAIL_LINES)
                )
            time.sleep(_POLL_S)


def _listed(settings: Settings) -> list[Process]:
    try:
        return supervisor.processes(settings)
    except OperatorError:
        # It does not listen yet; the caller looks whether it lives, and at the clock.
        return []


def _refuse_failed(settings: Settings, processes: list[Process]) -> None:
    for process in _in_order(processes):
        if process.state == "failed" or process.restarts >= _RESTARTS_MAX:
            raise OperatorError(
                f"{process.name} does not start (exit code {process.exit_code}). Its log ends:\n"
                + tail(settings, process.stage, _TAIL_LINES)
            )


def _in_order(processes: list[Process]) -> list[Process]:
    return sorted(processes, key=supervisor.order)


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


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
