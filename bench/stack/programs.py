"""Programs of a run: a peer's stages, or one that finds a limit; each says when it is ready."""

from __future__ import annotations

import asyncio
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from bench.stack.temporary import Stack
from tools.env import REPOSITORY
from tools.errors import OperatorError
from tools.native import leash
from tools.native.logfiles import last

_READY = "ready"
_READY_LIMIT_S = 60.0
# Who does not end by then has nothing left to do: its table is full.
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

    async def become_ready(self) -> None:
        """Wait until it says that it is. Raises `OperatorError` if it does not in time."""
        deadline = time.monotonic() + _READY_LIMIT_S
        while _READY not in self._log.read_text(errors="replace").splitlines():
            self.check()
            if time.monotonic() > deadline:
                raise self._error(f"is not ready after {_READY_LIMIT_S:.0f} s")
            await asyncio.sleep(_POLL_S)

    async def result(self, limit_s: float) -> str:
        """Wait until it ends, and return its last line. Raises `OperatorError` if it fails."""
        try:
            code = await asyncio.wait_for(self._process.wait(), limit_s)
        except TimeoutError as error:
            raise self._error(f"has not ended after {limit_s:.0f} s") from error
        if code != 0:
            raise self._error(f"ended with code {code}")
        return self._log.read_text().splitlines()[-1]

    async def stop(self) -> None:
        """End it, at once if it does not end by itself soon."""
        if self._process.returncode is not None:
            return
        self._process.terminate()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), _STOP_LIMIT_S)
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def _error(self, what: str) -> OperatorError:
        ending = "\n".join(f"  {line}" for line in last(self._log, _TAIL_LINES))
        return OperatorError(f"{self.name} {what}. Its output ends:\n{ending}")


async def start(
    stack: Stack, name: str, command: Sequence[str | Path], environ: Mapping[str, str]
) -> Program:
    """Start a program of the Python `command[0]` with the variables to find the stack."""
    log = stack.settings.logs / f"bench-{name.replace(' ', '-')}.log"
    python, *words = (str(word) for word in command)
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            # On a leash: it ends also when the bench is killed.
            *(sys.executable, str(leash.__file__), "--", python, *words),
            env={
                **stack.environment(),
                **environ,
                "PYTHONPATH": str(REPOSITORY),
                "PYTHONUNBUFFERED": "1",
            },
            # What it leaves behind goes with the stack.
            cwd=stack.settings.run,
            stdout=output,
            stderr=output,
            # Ctrl-C is for the bench, which then ends it.
            start_new_session=True,
        )
    return Program(name, process, log)
