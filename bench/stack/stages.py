"""Stages as processes of the bench, each with the variables of the variant that is measured."""

from __future__ import annotations

import asyncio
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from bench.comparison.results import Ending, Spans
from bench.stack.temporary import Stack
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

    async def become_ready(self) -> None:
        """Wait until it says that it is. Raises `OperatorError` if it does not in time."""
        deadline = time.monotonic() + _READY_LIMIT_S
        while not any(one.get("event") == "ready" for one in _said(self._log)):
            self.check()
            if time.monotonic() > deadline:
                raise self._error(f"is not ready after {_READY_LIMIT_S:.0f} s")
            await asyncio.sleep(_POLL_S)

    async def stop(self) -> Ending:
        """Let it drain. Raises `OperatorError` if it does not end well: its offsets may be lost."""
        self.check()
        began_s = time.monotonic()
        self._process.terminate()
        try:
            code = await asyncio.wait_for(self._process.wait(), DRAIN_LIMIT_S)
        except TimeoutError as error:
            raise self._error("does not drain") from error
        if code != 0:
            raise self._error(f"ended with code {code}")
        return Ending(time.monotonic() - began_s, self._spans())

    async def kill(self) -> None:
        """End it at once, if it has not ended."""
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def _spans(self) -> Spans:
        told = [one for one in _said(self._log) if one.get("event") in _TALLIES]
        # It says nothing if it does not trace.
        if not told:
            return Spans()
        return Spans(told[-1]["exported"], told[-1]["failed"] + told[-1]["dropped"])

    def _error(self, what: str) -> OperatorError:
        ending = "\n".join(f"  {pretty(line)}" for line in last(self._log, _TAIL_LINES))
        return OperatorError(f"{self.name} {what}. Its log ends:\n{ending}")


async def start(stack: Stack, name: str, environ: Mapping[str, str], replica: int = 0) -> Stage:
    """Start a replica of a stage, and wait until it is ready."""
    called = f"{name}-{replica}" if replica else name
    log = stack.settings.logs / f"bench-{called}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *_command(name),
            env={**stack.environment(), **environ, "TTG_REPLICA": str(replica)},
            cwd=REPOSITORY,
            stdout=output,
            stderr=output,
            # Ctrl-C is for the bench, which then ends it.
            start_new_session=True,
        )
    stage = Stage(called, process, log)
    try:
        await stage.become_ready()
    except BaseException:
        await stage.kill()
        raise
    return stage


async def stop(stages: Sequence[Stage]) -> dict[str, Ending]:
    """Stop them all at once, as `ttg down` does; return how each ended."""
    endings = await asyncio.gather(*(stage.stop() for stage in stages))
    return {stage.name: ending for stage, ending in zip(stages, endings, strict=True)}


def _command(name: str) -> list[str]:
    # On a leash: it ends also when the bench is killed.
    python = sys.executable
    return [python, str(leash.__file__), "--", python, "-m", f"services.{name}"]


def _said(log: Path) -> list[dict[str, Any]]:
    # The last line may be half written.
    *lines, _rest = log.read_bytes().split(b"\n")
    return [msgspec.json.decode(line) for line in lines if line.startswith(b"{")]
