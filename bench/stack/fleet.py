"""Stages of a stack, each in as many replicas as are wanted."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

from bench.stack import stages
from bench.stack.endings import Ending
from bench.stack.stages import Stage
from bench.stack.temporary import Stack
from libs.kafka.admin import admin
from services.topology import INGEST, PIPELINE
from tools.errors import OperatorError

# Stages that are started at once; one with several replicas is named as often.
Wave = Sequence[str]

ONE_EACH: Mapping[str, int] = {hop.stage: 1 for hop in PIPELINE}
# A stage after the other, the last first: a record that leaves one finds the next one waiting.
LAST_FIRST: Sequence[Wave] = tuple((hop.stage,) for hop in reversed(PIPELINE))
_READERS = tuple(hop.stage for hop in PIPELINE if hop.reads)
_OPEN_LIMIT_S = 20.0
_SETTLE_LIMIT_S = 30.0
_ASK_AGAIN_S = 0.1


class Fleet:
    """Replicas that are ready; `ever` has also those that were ended."""

    def __init__(self, stack: Stack, kept: AsyncExitStack) -> None:
        self._stack = stack
        self._kept = kept
        self.replicas: list[Stage] = []
        self.ever: list[Stage] = []
        self._started: Counter[str] = Counter()

    def check(self) -> None:
        """Raise `OperatorError` if one has ended."""
        for one in self.replicas:
            one.check()

    @property
    def pids(self) -> dict[str, int]:
        """Their processes, by their names."""
        return {one.name: one.pid for one in self.replicas}

    async def start(self, wave: Wave, environ: Mapping[str, str]) -> None:
        """Start stages at once, and wait until all are ready. Raises `OperatorError`."""
        asked = [self._start(name, environ) for name in wave]
        # All of them have an end before one that failed is told of: none starts behind our back.
        started = await asyncio.gather(*asked, return_exceptions=True)
        for one in started:
            if isinstance(one, BaseException):
                raise one
            self.replicas.append(one)
        if INGEST.stage in wave:
            await until_open(self._stack.reached.ingest_url)

    async def settle(self) -> None:
        """Wait until each has its partitions. Raises `OperatorError` if it does not in time."""
        wanted = Counter(one.stage for one in self.replicas if one.stage in _READERS)
        deadline = time.monotonic() + _SETTLE_LIMIT_S
        async with admin(self._stack.reached.kafka_bootstrap_servers) as asked:
            while True:
                groups = await asked.groups(wanted)
                if all(
                    groups[name].is_stable
                    and len(groups[name].members) == wanted[name]
                    and all(member.partitions for member in groups[name].members)
                    for name in wanted
                ):
                    return
                self.check()
                if time.monotonic() > deadline:
                    raise OperatorError(
                        f"The partitions have no owners after {_SETTLE_LIMIT_S:.0f} s."
                    )
                await asyncio.sleep(_ASK_AGAIN_S)

    async def kill(self, stage: str) -> None:
        """End the replicas of a stage at once."""
        ended = [one for one in self.replicas if one.stage == stage]
        self.replicas = [one for one in self.replicas if one.stage != stage]
        for one in ended:
            await one.kill()

    async def drain(self) -> dict[str, Ending]:
        """Let all of them end at once, as `ttg down` does; return how each did."""
        endings = await asyncio.gather(*(one.drain() for one in self.replicas))
        return {one.name: ending for one, ending in zip(self.replicas, endings, strict=True)}

    async def _start(self, name: str, environ: Mapping[str, str]) -> Stage:
        number = self._started[name]
        self._started[name] += 1
        stage = await stages.start(self._stack, name, environ, number)
        self.ever.append(stage)
        self._kept.push_async_callback(stage.kill)
        await stage.become_ready()
        return stage


@asynccontextmanager
async def started(
    stack: Stack, environ: Mapping[str, str], waves: Sequence[Wave] = LAST_FIRST
) -> AsyncGenerator[Fleet]:
    """Yield stages that are ready, started wave after wave; what is left of them is killed."""
    async with AsyncExitStack() as kept:
        fleet = Fleet(stack, kept)
        for wave in waves:
            await fleet.start(wave, environ)
        yield fleet


@asynccontextmanager
async def running(
    stack: Stack, environ: Mapping[str, str], replicas: Mapping[str, int] = ONE_EACH
) -> AsyncGenerator[Fleet]:
    """Yield all stages, which have their partitions; they drain at the end, unless it is an error.

    Each has so many replicas.
    """
    waves = [[hop.stage] * replicas[hop.stage] for hop in reversed(PIPELINE)]
    async with started(stack, environ, waves) as fleet:
        await fleet.settle()
        yield fleet
        await fleet.drain()


async def until_open(url: str) -> None:
    """Wait until the door takes requests: it listens before Kafka has answered it.

    Raises `OperatorError` if it does not in time.
    """
    address = urlsplit(url)
    deadline = time.monotonic() + _OPEN_LIMIT_S
    while True:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(f"GET /ready HTTP/1.0\r\nHost: {address.netloc}\r\n\r\n".encode())
        status = await reader.readline()
        writer.close()
        await writer.wait_closed()
        if b" 200 " in status:
            return
        if time.monotonic() > deadline:
            raise OperatorError(f"The door is not open after {_OPEN_LIMIT_S:.0f} s.")
        await asyncio.sleep(_ASK_AGAIN_S)
