"""The processes of a stack by pid, as its own supervisor knows them: kill, freeze, stop, watch."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psutil

from libs.clock import now_us
from services.topology import PIPELINE
from tests.faults.record import Record, Sample
from tests.stack import Stack, environment, eventually
from tools.errors import OperatorError
from tools.native import settings as native_settings, supervisor
from tools.native.supervisor import Process

STAGES = tuple(hop.stage for hop in PIPELINE)
READY_LIMIT_S = 60.0
_SAMPLE_S = 0.5
_ASK_AGAIN_S = 0.02


class Processes:
    """What runs of one stack, and how it is made to fail."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        # What an entrance leaves for the injection that goes with it.
        self.guests: dict[str, Any] = {}
        self.settings = native_settings.read(environment(stack.state_dir, stack.port_base))

    def listed(self) -> list[Process]:
        """Every process; none while the supervisor is busy with scaling."""
        try:
            return supervisor.processes(self.settings)
        except OperatorError:
            return []

    def pid(self, stage: str, replica: int = 0) -> int | None:
        """The pid of a process, `None` while it does not run."""
        found = (p.pid for p in self.listed() if (p.stage, p.replica) == (stage, replica))
        return next(found, None)

    def kill(self, stage: str, replica: int = 0) -> str:
        """End a process with `kill -9`; returns the proof that it was this one and is gone."""
        pid = self._running(stage, replica)
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not _lives(pid))
        return f"{stage}-{replica} pid {pid} is gone"

    @contextmanager
    def frozen(self, stage: str, replica: int = 0) -> Iterator[str]:
        """Stop a process in its tracks with SIGSTOP; yields the proof that it stands still."""
        pid = self._running(stage, replica)
        with frozen(pid) as proof:
            yield f"{stage}-{replica} {proof}"

    @contextmanager
    def away(self, stage: str, *, is_killed: bool = False) -> Iterator[str]:
        """Take a process away and bring it back; yields the proof that it is gone."""
        pid = self._running(stage)
        name = next(p.name for p in self.listed() if p.stage == stage)
        if is_killed:
            os.kill(pid, signal.SIGKILL)
        self._ask("PATCH", f"/process/stop/{name}")
        eventually(lambda: not _lives(pid), READY_LIMIT_S)
        try:
            yield f"{stage} pid {pid} is gone"
        finally:
            self._ask("POST", f"/process/start/{name}")
            self.until_ready(stage)

    def terminate(self, stage: str, replica: int = 0) -> str:
        """End a process with SIGTERM, and wait for it to drain; returns the proof."""
        pid = self._running(stage, replica)
        os.kill(pid, signal.SIGTERM)
        eventually(lambda: not _lives(pid), READY_LIMIT_S)
        return f"{stage}-{replica} pid {pid} has drained"

    def until_ready(self, *stages: str) -> None:
        """Wait until processes run and are ready; all if none is named."""

        def ready() -> bool:
            listed = [p for p in self.listed() if not stages or p.stage in stages]
            return bool(listed) and all(p.is_ready for p in listed)

        eventually(ready, READY_LIMIT_S)

    def _running(self, stage: str, replica: int = 0) -> int:
        """Wait for a process that may be on its way back."""
        return eventually(lambda: self.pid(stage, replica), READY_LIMIT_S)

    def _ask(self, method: str, path: str) -> Any:
        # The operator's commands never stop one process alone, so there is no public way.
        return supervisor._request(self.settings, method, path, READY_LIMIT_S)  # pyright: ignore[reportPrivateUsage]


@contextmanager
def frozen(pid: int) -> Iterator[str]:
    """Stop a process in its tracks with SIGSTOP; yields the proof that it stands still."""
    os.kill(pid, signal.SIGSTOP)
    try:
        eventually(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)
        yield f"pid {pid} stands still"
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def happens(ask: Callable[[], bool], limit_s: float) -> bool:
    """Wait for something; says whether it came."""
    deadline = time.monotonic() + limit_s
    while not ask():
        if time.monotonic() > deadline:
            return False
        time.sleep(_ASK_AGAIN_S)
    return True


class Watch:
    """Looks at the processes during a run: what they hold, and whether any is another one."""

    def __init__(self, processes: Processes, record: Record, may_restart: tuple[str, ...]) -> None:
        self._processes = processes
        self._record = record
        self._may_restart = may_restart
        self._pids: dict[tuple[str, int], int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)

    def __enter__(self) -> Watch:
        self.look()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def look(self) -> None:
        """Look once."""
        for process in self._processes.listed():
            who = process.stage, process.replica
            if process.pid is None:
                continue
            before = self._pids.setdefault(who, process.pid)
            if before != process.pid and process.stage not in self._may_restart:
                name = f"{process.stage}-{process.replica}"
                self._record.complaints.append(f"{name} was restarted: {before}, {process.pid}")
            self._pids[who] = process.pid
            if process.stage in STAGES:
                self._sample(process)

    def _go_on(self) -> None:
        while not self._stop.wait(_SAMPLE_S):
            self.look()

    def _sample(self, process: Process) -> None:
        with suppress(psutil.Error, FileNotFoundError):
            found = psutil.Process(process.pid)
            self._record.samples.append(
                Sample(
                    at_us=now_us(),
                    process=f"{process.stage}-{process.replica}",
                    pid=found.pid,
                    rss_bytes=found.memory_info().rss,
                    files=found.num_fds(),
                )
            )


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
