"""Another replica of a stage beside the healthy ones, with failpoints, or behind a proxy."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.faults.expected import ENTITIES
from tests.faults.processes import Processes
from tests.replica import PRONE
from tests.stack import Stack, eventually, http

# A session time-out of the one before may have to pass until it gets partitions.
WORKS_LIMIT_S = 40.0
_STOP_LIMIT_S = 30.0
# Above every replica that the stack itself runs.
REPLICA = 91
KEY = "of-the-sick-door"


@dataclass(slots=True)
class Sick:
    """One replica that is not the supervisor's."""

    stage: str
    log: Path
    environ: dict[str, str]
    # What befalls it when it gets SIGUSR1, as in `tests/replica.py`.
    illness: str = ""
    _log_bytes: int = 0
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        """Start it, for the first time or again."""
        script = PRONE.format(stage=self.stage, illness=self.illness)
        words = ["-c", script] if self.illness else ["-m", f"services.{self.stage}"]
        with self.log.open("ab") as file:
            self._log_bytes = file.tell()
            self.process = subprocess.Popen(  # noqa: S603  (our own command)
                [sys.executable, *words],
                env=self.environ,
                stdout=file,
                stderr=file,
            )

    @property
    def pid(self) -> int:
        """Its process."""
        return self.process.pid

    def says(self, text: str) -> bool:
        """Whether its log holds this since its last start."""
        return text.encode() in self.log.read_bytes()[self._log_bytes :]

    def falls_ill(self) -> None:
        """Let happen to it what it is prone to."""
        self.process.send_signal(signal.SIGUSR1)

    def ends(self, limit_s: float) -> int | None:
        """Wait until it has ended by itself; returns its exit code, `None` if it has not."""
        with suppress(subprocess.TimeoutExpired):
            return self.process.wait(limit_s)

    def dies(self) -> str:
        """Wait until it has killed itself; returns the proof."""
        if self.ends(WORKS_LIMIT_S) == -signal.SIGKILL:
            return f"pid {self.pid} killed itself"
        return ""

    def stands_still(self) -> str:
        """Wait until it has stopped itself; returns the proof."""
        status = psutil.Process(self.pid).status
        eventually(lambda: status() == psutil.STATUS_STOPPED, WORKS_LIMIT_S)
        return f"pid {self.pid} stands still"

    def goes_on(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    def works(self) -> None:
        """Wait until it has partitions."""
        eventually(lambda: self.says('"partitions assigned"') or self.process.poll(), WORKS_LIMIT_S)
        assert self.process.poll() is None, self.log.read_text()[-2_000:]


@contextmanager
def sick(stack: Stack, stage: str, illness: str = "", **settings: str) -> Iterator[Sick]:
    """Run another replica of a stage; `settings` are its environment."""
    log = stack.state_dir / "logs" / f"sick-{stage}-{time.time_ns()}.log"
    environ = {
        **os.environ,
        "TTG_STACK": str(stack.state_dir),
        "TTG_REPLICA": str(REPLICA),
        "KAFKA_BOOTSTRAP_SERVERS": stack.kafka_bootstrap_servers,
        "DATABASE_URL": stack.values["DATABASE_URL"],
        "DECORATE_ENTITIES": str(ENTITIES),
        "OTEL_EXPORTER_OTLP_ENDPOINT": stack.values["OTEL_EXPORTER_OTLP_ENDPOINT"],
        **settings,
    }
    one = Sick(stage, log, environ, illness)
    one.start()
    try:
        yield one
    finally:
        _end(one)


@contextmanager
def sick_door(processes: Processes, **settings: str) -> Iterator[tuple[Sick, str]]:
    """Run another door, and yield it with its address when it is ready; its key is `KEY`."""
    stack = processes.stack
    port = free_port()
    settings = {"INGEST_PORT": str(port), "INGEST_API_KEYS": f"default={KEY}", **settings}
    url = f"http://127.0.0.1:{port}"
    with sick(stack, "ingest", **settings) as door:
        eventually(lambda: _is_ready(url) or door.process.poll() is not None, WORKS_LIMIT_S)
        yield door, url


@contextmanager
def with_failpoint(stack: Stack, stage: str, failpoint: str, **more: str) -> Iterator[Sick]:
    """Run another replica of a stage with a failpoint."""
    with sick(stack, stage, **{f"{stage.upper()}_FAILPOINTS": failpoint}, **more) as one:
        yield one


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _is_ready(url: str) -> bool:
    try:
        return http("GET", f"{url}/ready").status == 200
    except OSError:
        return False


def _end(one: Sick) -> None:
    process = one.process
    process.send_signal(signal.SIGCONT)
    process.terminate()
    try:
        process.wait(_STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
