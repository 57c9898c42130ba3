"""The stack that is measured: Kafka, PostgreSQL and Jaeger as `ttg up` brings them."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from libs.stage.run import DRAIN_LIMIT_S
from services.topology import PIPELINE
from tools import env
from tools.env import StackEnv
from tools.errors import OperatorError
from tools.native import checks, stack as native, supervisor
from tools.native.settings import Settings, cache_dir

# Below the ports that the kernel gives to connections: that of the door is free between runs, and
# must not be taken meanwhile.
_PORT_BASES = range(20_000, 32_000, 50)
# What a shell sets for its own stack would change what is measured.
_OTHERS = (
    *("OTEL_", "TRACE_", "KAFKA_", "TTG_", "HEALTH_", "DEAD_LETTERS_"),
    *("DATABASE_URL", "MODE"),
)
_STAGES = (*(hop.stage for hop in PIPELINE), "glass")
_OF_STAGES = tuple(f"{stage.upper()}_" for stage in _STAGES)
_POLL_S = 0.1
# Kafka, PostgreSQL and Jaeger keep more than the events.
_SPARE_BYTES = 4 << 30

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Stack:
    """A running stack whose own stages are stopped; the port of its door is free."""

    settings: Settings
    reached: StackEnv
    pids: Mapping[str, int]

    def environment(self) -> dict[str, str]:
        """Return the variables with which a stage finds this stack."""
        return {
            **_quiet_shell(),
            "TTG_STACK": str(self.settings.state),
            "KAFKA_BOOTSTRAP_SERVERS": self.reached.kafka_bootstrap_servers,
            "DATABASE_URL": self.reached.database_url,
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.reached.otel_exporter_otlp_endpoint,
            "INGEST_PORT": str(self.settings.port("ingest")),
            "INGEST_API_KEYS": f"{native.TENANT}={self.reached.api_key}",
        }


def on_a_stack(work: Callable[[Stack], Coroutine[Any, Any, _T]]) -> _T:
    """Do some work on a stack of its own; Ctrl-C and SIGTERM end it, and nothing stays."""
    with running() as stack:
        return uvloop.run(_until_told(work(stack)))


def check_disk(events: int, needed_bytes: int, remedy: str) -> None:
    """Raise `OperatorError` if the disk of a stack may not hold what so many events take."""
    folder = tempfile.gettempdir()
    needed = needed_bytes + _SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OperatorError(
            f"{events:,} events may take {needed >> 30} GiB in {folder}, where {free >> 30} are "
            f"free; {remedy}, or set TMPDIR to a folder on a larger disk."
        )


async def _until_told(work: Coroutine[Any, Any, _T]) -> _T:
    """Work until a signal: an interrupt raised in some task or other would be its result only."""
    task, loop = asyncio.create_task(work), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError as told:
        raise KeyboardInterrupt from told


@contextmanager
def running() -> Generator[Stack]:
    """Bring a stack up in a folder and on ports of its own; nothing of it stays afterwards."""
    state = Path(tempfile.mkdtemp(prefix="ttg-bench-"))
    settings = _on_free_ports(state)
    try:
        if _ttg(settings, "up") != 0:
            raise OperatorError("The stack to measure did not start; see above.")
        _stop_stages(settings)
        yield Stack(settings, env.parse(settings.env_file.read_text()), _pids(settings))
    finally:
        with _undisturbed():
            _ttg(settings, "clean")
            shutil.rmtree(state, ignore_errors=True)


def _on_free_ports(state: Path) -> Settings:
    cache = cache_dir(os.environ)
    # In any order: others look for theirs.
    for base in random.SystemRandom().sample(_PORT_BASES, len(_PORT_BASES)):
        settings = Settings(state, cache, base)
        try:
            checks.check_ports(settings)
        except OperatorError:
            continue
        return settings
    raise OperatorError("There is no row of free ports on this machine.")


def _ttg(settings: Settings, command: str) -> int:
    places = {
        "TTG_STATE_DIR": str(settings.state),
        "TTG_CACHE_DIR": str(settings.cache),
        "TTG_PORT_BASE": str(settings.port_base),
        # Its processes are stopped and measured one by one, by this machine's numbers.
        "MODE": "native",
    }
    with subprocess.Popen(  # noqa: S603  (our own command)
        [sys.executable, "-m", "tools", command],
        env={**_quiet_shell(), **places},
        cwd=env.REPOSITORY,
        # Its progress is shown; what it would say next is of a stack to play with.
        stdout=subprocess.DEVNULL,
    ) as process:
        try:
            return process.wait()
        except BaseException:
            # It takes down what it has begun.
            process.terminate()
            process.wait()
            raise


def _stop_stages(settings: Settings) -> None:
    """Stop the stack's own stages for good: each run has its own, with its own variables."""
    process = supervisor.alive(settings)
    if process is None:
        raise OperatorError("The supervisor of the stack ended by itself.")
    # Its own command line says which program it is, and where it listens.
    program, *words = process.cmdline()
    socket = words[words.index("--unix-socket") + 1]
    log = settings.logs / "process-compose-client.log"
    subprocess.run(  # noqa: S603
        [program, "--use-uds", "--unix-socket", socket, "--log-file", log, "process", "stop",
         *_STAGES],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    deadline = time.monotonic() + DRAIN_LIMIT_S
    while left := [name for name in _pids(settings) if name in _STAGES]:
        if time.monotonic() > deadline:
            raise OperatorError(f"The stack's own {', '.join(left)} did not stop.")
        time.sleep(_POLL_S)


def _pids(settings: Settings) -> dict[str, int]:
    return {one.stage: one.pid for one in supervisor.processes(settings) if one.pid}


def _quiet_shell() -> dict[str, str]:
    shell = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith((*_OTHERS, *_OF_STAGES))
    }
    return {**shell, **native.without_proxy(shell)}


@contextmanager
def _undisturbed() -> Generator[None]:
    """Let no second Ctrl-C stop the stopping, which has its own limits."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        # What is started now ignores them too.
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
