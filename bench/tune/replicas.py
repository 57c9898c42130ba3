"""The stages of a trial: any number of replicas, started at once, and what they say meanwhile."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from bench.stack.stages import Stage
from bench.stack.temporary import Stack
from bench.tune import knobs
from bench.tune.knobs import Changes
from services.topology import DECORATE, INGEST, PIPELINE
from tools.env import REPOSITORY
from tools.errors import OperatorError
from tools.native import leash

_ASSIGNED_LIMIT_S = 30.0
_POLL_S = 0.05
_ASSIGNED = "partitions assigned"
_REFUSED = "commit refused"
# The door takes no more while it says so; nobody is sending here by then.
_AT_ONCE = {"INGEST_DRAIN_NOTICE_S": "0"}


@dataclass(frozen=True, slots=True)
class Replica:
    """One process of a stage, and where it logs."""

    name: str
    number: int
    stage: Stage
    log: Path

    @property
    def title(self) -> str:
        """How it is named among all of them."""
        return f"{self.name}-{self.number}"


class Replicas:
    """All processes of a trial."""

    def __init__(self, stack: Stack, environ: Mapping[str, str]) -> None:
        self._stack = stack
        self._environ = {**environ, **_AT_ONCE}
        self._kept = AsyncExitStack()
        self._running: list[Replica] = []

    def pids(self) -> dict[str, int]:
        """Return the processes by their titles."""
        return {one.title: one.stage.pid for one in self._running}

    def check(self) -> None:
        """Raise `OperatorError` if one has ended."""
        for one in self._running:
            one.stage.check()

    async def start(self, changes: Changes) -> None:
        """Start them all and wait until each has its partitions. Raises `OperatorError`."""
        asked = [
            self._start(hop.stage, number)
            for hop in PIPELINE
            for number in range(knobs.replicas(changes, hop.stage))
        ]
        # All of them have an end before one that failed is told of: none starts behind our back.
        started = await asyncio.gather(*asked, return_exceptions=True)
        for one in started:
            if isinstance(one, BaseException):
                raise one
            self._running.append(one)
        deadline = time.monotonic() + _ASSIGNED_LIMIT_S
        readers = [one for one in self._running if one.name != INGEST.stage]
        while not all(_moments(one.log, _ASSIGNED) for one in readers):
            self.check()
            if time.monotonic() > deadline:
                raise OperatorError(f"No partitions after {_ASSIGNED_LIMIT_S:.0f} s.")
            await asyncio.sleep(_POLL_S)

    async def make_quick(self) -> None:
        """Put a decorate that is not slow in the place of one that is."""
        slow = [one for one in self._running if one.name == DECORATE.stage]
        for one in slow:
            # What it has begun would take longer than a drain may.
            await one.stage.kill()
        self._running = [one for one in self._running if one not in slow]
        del self._environ["DECORATE_FAILPOINTS"]
        # In a file of its own: the log of the slow one is still to be read.
        self._running.append(await self._start(DECORATE.stage, len(slow)))

    async def stop(self) -> None:
        """Let them drain, all at once. Raises `OperatorError` if one does not end well."""
        await asyncio.gather(*(one.stage.stop() for one in self._running))

    async def kill(self) -> None:
        """End what has not ended."""
        await self._kept.aclose()

    async def _start(self, name: str, number: int) -> Replica:
        log = self._log(name, number)
        python = sys.executable
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                # On a leash: it ends also when the lab is killed.
                *(python, str(leash.__file__), "--", python, "-m", f"services.{name}"),
                env={
                    **self._stack.environment(),
                    **self._environ,
                    "TTG_REPLICA": str(number),
                },
                cwd=REPOSITORY,
                stdout=output,
                stderr=output,
                # Ctrl-C is for the lab, which then ends it.
                start_new_session=True,
            )
        stage = Stage(name, process, log)
        self._kept.push_async_callback(stage.kill)
        await stage.become_ready()
        return Replica(name, number, stage, log)

    def _log(self, name: str, number: int) -> Path:
        return self._stack.settings.logs / f"tune-{name}-{number}.log"

    def rebalances(self, since_s: float, until_s: float) -> dict[str, int]:
        """Count how often partitions were dealt out anew, by stage, as the busiest replica saw."""
        found = {hop.stage: 0 for hop in PIPELINE if hop.reads}
        for stage in found:
            for path in self._stack.settings.logs.glob(f"tune-{stage}-*.log"):
                seen = [at for at in _moments(path, _ASSIGNED) if since_s <= at <= until_s]
                found[stage] = max(found[stage], len(seen))
        return found

    def commits_refused(self, since_s: float, until_s: float) -> int:
        """Count commits of members that had left their group by then."""
        logs = self._stack.settings.logs.glob("tune-*.log")
        moments = [at for path in logs for at in _moments(path, _REFUSED)]
        return sum(since_s <= at <= until_s for at in moments)


@asynccontextmanager
async def running(
    stack: Stack, environ: Mapping[str, str], changes: Changes
) -> AsyncGenerator[Replicas]:
    """Yield stages that are ready to work; what is left of them at the end is killed."""
    for path in stack.settings.logs.glob("tune-*.log"):
        path.unlink()
    replicas = Replicas(stack, environ)
    try:
        await replicas.start(changes)
        yield replicas
    finally:
        await replicas.kill()


def of_stages(cpu_s: Mapping[str, float]) -> dict[str, float]:
    """Add up what the replicas of each stage took."""
    summed: defaultdict[str, float] = defaultdict(float)
    for title, seconds in cpu_s.items():
        summed[title.partition("-")[0]] += seconds
    return dict(summed)


def _moments(log: Path, event: str) -> list[float]:
    """When a log says something (s since the epoch); its last line may be half written."""
    *lines, _rest = log.read_bytes().split(b"\n")
    said = [msgspec.json.decode(line) for line in lines if event.encode() in line]
    return [datetime.fromisoformat(one["timestamp"]).timestamp() for one in said]
