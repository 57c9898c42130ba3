"""Stages as processes of the bench, each with the variables of the variant that is measured."""

from __future__ import annotations

import asyncio
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from bench.stack import Stack
from libs.stage.run import DRAIN_LIMIT_S
from tools.env import REPOSITORY
from tools.errors import OperatorError
from tools.native import leash
from tools.native.logfiles import last, pretty

_READY_LIMIT_S = 30.0
_POLL_S = 0.02
_TAIL_LINES = 15
# A stage's last word on its spans, from libs/tracing/export.py.
_TALLIES = ("spans exported", "spans lost")


@dataclass(frozen=True, slots=True)
class Spans:
    """What became of the spans of some stages."""

    exported: int = 0
    lost: int = 0


class Stage:
    """One replica of a stage that is ready to work."""

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

    def spans(self) -> Spans:
        """Return what it said of its spans when it ended; none if it does not trace."""
        told = [one for one in _said(self._log) if one.get("event") in _TALLIES]
        if not told:
            return Spans()
        return Spans(told[-1]["exported"], told[-1]["failed"] + told[-1]["dropped"])

    async def become_ready(self) -> None:
        """Wait until it says that it is. Raises `OperatorError` if it does not in time."""
        deadline = time.monotonic() + _READY_LIMIT_S
        while not any(one.get("event") == "ready" for one in _said(self._log)):
            self.check()
            if time.monotonic() > deadline:
                raise self._error(f"is not ready after {_READY_LIMIT_S:.0f} s")
            await asyncio.sleep(_POLL_S)

    async def stop(self) -> None:
        """Let it drain. Raises `OperatorError` if it does not end well: its offsets may be lost."""
        self.check()
        self._process.terminate()
        try:
            code = await asyncio.wait_for(self._process.wait(), DRAIN_LIMIT_S)
        except TimeoutError as error:
            raise self._error("does not drain") from error
        if code != 0:
            raise self._error(f"ended with code {code}")

    def _error(self, what: str) -> OperatorError:
        ending = "\n".join(f"  {pretty(line)}" for line in last(self._log, _TAIL_LINES))
        return OperatorError(f"{self.name} {what}. Its log ends:\n{ending}")


@asynccontextmanager
async def running(stack: Stack, name: str, environ: Mapping[str, str]) -> AsyncGenerator[Stage]:
    """Yield a stage that is ready; it drains at the end, and is killed after an error."""
    path = stack.settings.logs / f"bench-{name}.log"
    with path.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *_command(name),
            env={**stack.environment(), **environ},
            cwd=REPOSITORY,
            stdout=log,
            stderr=log,
            # Ctrl-C is for the bench, which then ends it.
            start_new_session=True,
        )
    try:
        stage = Stage(name, process, path)
        await stage.become_ready()
        yield stage
        await stage.stop()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def total(stages: Sequence[Stage]) -> Spans:
    """Add up the spans of stages that have ended."""
    told = [stage.spans() for stage in stages]
    return Spans(sum(one.exported for one in told), sum(one.lost for one in told))


def _command(name: str) -> list[str]:
    # On a leash: it ends also when the bench is killed.
    python = sys.executable
    return [python, str(leash.__file__), "--", python, "-m", f"services.{name}"]


def _said(log: Path) -> list[dict[str, Any]]:
    # The last line may be half written.
    *lines, _rest = log.read_bytes().split(b"\n")
    return [msgspec.json.decode(line) for line in lines if line.startswith(b"{")]
