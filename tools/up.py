"""`ttg up`: starts the stack, waits until all of it is ready, says what to try next."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated
from urllib.parse import urlsplit

from cyclopts import Parameter

from tools import env, mode as modes, ready, settings_file
from tools.env import StackEnv
from tools.errors import OperatorError
from tools.mode import Mode
from tools.native import checks, locks, secret, settings as native_settings, stack
from tools.native.settings import Settings
from tools.settings_file import StageSettingsFile

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
        if settings.env_file.is_file() and mode.is_up():
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
    # First: what is half stopped when this is interrupted is not taken for a stack that is up.
    settings.env_file.unlink(missing_ok=True)
    stopped = [mode.stop() for mode in modes.left(settings)]
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
        ready.wait(mode)
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
        ready.wait(mode)


def _repair(settings: Settings, mode: Mode) -> None:
    refuse_other_ports(settings, env.parse(settings.env_file.read_text()))
    ended = [one for one in mode.processes() if one.state in {"failed", "waiting"}]
    for process in ended:
        mode.restart(process)
    ready.wait(mode)
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
Traces {where_traces_are(settings, reached)}
Shell  . {settings.env_file}"""
    )


def where_traces_are(settings: Settings, reached: StackEnv) -> str:
    """Return what to open for the waterfalls, or where they are sent instead of our Jaeger."""
    if reached.otel_exporter_otlp_endpoint == stack.own_otlp_endpoint(settings):
        return reached.jaeger_url
    return f"go to {reached.otel_exporter_otlp_endpoint}"


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
