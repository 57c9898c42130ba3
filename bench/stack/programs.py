"""Programs as processes of the bench; each says when it is ready, and ends with the bench."""

from __future__ import annotations

import asyncio
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from bench.stack.temporary import Stack
from tools.env import REPOSITORY
from tools.errors import OperatorError
from tools.native import leash
from tools.native.logfiles import last, pretty

_READY = "ready"
_READY_LIMIT_S = 60.0
# Who does not end by then has nothing left to do.
_STOP_LIMIT_S = 2.0
_POLL_S = 0.02
_TAIL_LINES = 15


class Program:
    """One running program, which writes its output to a file."""

    def __init__(self, name: str, process: Process, log: Path) -> None:
        self.name = name
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def check(self) -> None:
        """Raise `OperatorError` if it has ended."""
        if self._process.returncode is not None:
            raise self._error(f"ended with code {self._process.returncode}")

    def seen(self) -> psutil.Process:
        """Return its process, to be measured. Raises `OperatorError` if it has ended."""
        self.check()
        try:
            process = psutil.Process(self.pid)
            is_over = process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess as error:
            raise self._error("has ended") from error
        if is_over:
            # Before anybody was told how.
            raise self._error("has ended")
        return process

    async def become_ready(self) -> None:
        """Wait until it says that it is. Raises `OperatorError` if it does not in time."""
        deadline = time.monotonic() + _READY_LIMIT_S
        while not self._is_ready():
            self.check()
            if time.monotonic() > deadline:
                raise self._error(f"is not ready after {_READY_LIMIT_S:.0f} s")
            await asyncio.sleep(_POLL_S)

    async def result(self, limit_s: float) -> str:
        """Wait until it ends, and return its last line. Raises `OperatorError` if it fails."""
        await self._well_ended(limit_s)
        return self.lines()[-1]

    def terminate(self) -> None:
        """Tell it to end."""
        self.check()
        self._process.terminate()

    async def stop(self) -> None:
        """End it, at once if it does not end by itself soon."""
        if self._process.returncode is None:
            self._process.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), _STOP_LIMIT_S)
        await self.kill()

    async def kill(self) -> None:
        """End it at once, if it has not ended."""
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def lines(self) -> list[str]:
        """Return what it has written; a last line that is half written is left out."""
        *lines, _rest = self._log.read_text(errors="replace").split("\n")
        return lines

    def _is_ready(self) -> bool:
        return _READY in self.lines()

    async def _well_ended(self, limit_s: float) -> None:
        try:
            code = await asyncio.wait_for(self._process.wait(), limit_s)
        except TimeoutError as error:
            raise self._error(f"has not ended after {limit_s:.0f} s") from error
        if code != 0:
            raise self._error(f"ended with code {code}")

    def _error(self, what: str) -> OperatorError:
        ending = "\n".join(f"  {pretty(line)}" for line in last(self._log, _TAIL_LINES))
        return OperatorError(f"{self.name} {what}. Its output ends:\n{ending}")


async def start(
    stack: Stack, name: str, command: Sequence[str | Path], environ: Mapping[str, str]
) -> Program:
    """Start a program of the Python `command[0]` with the variables to find the stack."""
    found = {"PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"}
    # What it leaves behind goes with the stack.
    process, log = await leashed(stack, name, command, {**environ, **found}, stack.settings.run)
    return Program(name, process, log)


async def leashed(
    stack: Stack, name: str, command: Sequence[str | Path], environ: Mapping[str, str], cwd: Path
) -> tuple[Process, Path]:
    """Start a process that ends also when the bench is killed; return it and what it writes to."""
    log = stack.settings.logs / f"bench-{name.replace(' ', '-')}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(leash.__file__), "--", *map(str, command)),
            env={**stack.environment(), **environ},
            cwd=cwd,
            stdout=output,
            stderr=output,
            # Ctrl-C is for the bench, which then ends it.
            start_new_session=True,
        )
    return process, log
