"""All stages at once, each in as many replicas as are wanted, and what their processes take."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
import psutil

from bench.load import closed_loop as loads
from bench.stack import stages
from bench.stack.stages import Stage
from bench.stack.temporary import Stack
from bench.watch.meter import now_s
from libs.kafka.admin import Admin, admin
from services.topology import PIPELINE
from tools.errors import OperatorError

ONE_EACH: Mapping[str, int] = {hop.stage: 1 for hop in PIPELINE}
_GROUPS = tuple(hop.stage for hop in PIPELINE if hop.reads)
# What the stages stand on, and is told beside them.
_UNDER = ("kafka", "postgres", "jaeger")
_SETTLE_LIMIT_S = 30.0
_ASK_AGAIN_S = 0.1
_NUMBER = re.compile(r"-\d+$")


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What processes have taken until a moment (s since the epoch); replicas are added up.

    `rss_bytes` and `files` are what they hold at that moment.
    """

    at_s: float
    cpu_s: dict[str, float]
    rss_bytes: dict[str, int]
    files: dict[str, int]


@asynccontextmanager
async def running(
    stack: Stack, environ: Mapping[str, str], replicas: Mapping[str, int] = ONE_EACH
) -> AsyncGenerator[list[Stage]]:
    """Yield replicas that are ready and have their partitions; they drain at the end.

    After an error they are killed.
    """
    async with AsyncExitStack() as kept:
        started: list[Stage] = []
        # The last first: a record that leaves a stage finds the next one waiting.
        for name in (hop.stage for hop in reversed(PIPELINE)):
            for number in range(replicas[name]):
                started.append(await stages.start(stack, name, environ, number))
                kept.push_async_callback(started[-1].kill)
        await loads.until_open(stack.reached.ingest_url)
        async with admin(stack.reached.kafka_bootstrap_servers) as asked:
            await _settled(asked, replicas)
        yield started
        await stages.stop(started)


def look(stack: Stack, replicas: Sequence[Stage]) -> Usage:
    """Look at what the stages and what they stand on have taken by now."""
    processes = [(_NUMBER.sub("", one.name), [psutil.Process(one.pid)]) for one in replicas]
    processes += [(name, _family(stack.pids[name])) for name in _UNDER]
    cpu_s: dict[str, float] = {}
    rss_bytes: dict[str, int] = {}
    files: dict[str, int] = {}
    for name, family in processes:
        for process in family:
            try:
                seconds, held_bytes, opened = _taken(process)
            except psutil.NoSuchProcess:
                # A connection of the database that has just ended.
                continue
            cpu_s[name] = cpu_s.get(name, 0.0) + seconds
            rss_bytes[name] = rss_bytes.get(name, 0) + held_bytes
            files[name] = files.get(name, 0) + opened
    return Usage(at_s=now_s(), cpu_s=cpu_s, rss_bytes=rss_bytes, files=files)


def us_per_event(before: Usage, after: Usage, events: int) -> dict[str, float]:
    """Return the processor time between two looks for one event, of each by its name."""
    return {name: 1e6 * (after.cpu_s[name] - before.cpu_s[name]) / events for name in after.cpu_s}


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _taken(process: psutil.Process) -> tuple[float, int, int]:
    with process.oneshot():
        times = process.cpu_times()
        # With what its children took that have ended, as those of a connection.
        seconds = times.user + times.system + times.children_user + times.children_system
        return seconds, process.memory_info().rss, process.num_fds()


async def _settled(asked: Admin, replicas: Mapping[str, int]) -> None:
    deadline = time.monotonic() + _SETTLE_LIMIT_S
    while True:
        groups = await asked.groups(_GROUPS)
        if all(
            groups[name].is_stable
            and len(groups[name].members) == replicas[name]
            and all(member.partitions for member in groups[name].members)
            for name in _GROUPS
        ):
            return
        if time.monotonic() > deadline:
            raise OperatorError(f"The partitions have no owners after {_SETTLE_LIMIT_S:.0f} s.")
        await asyncio.sleep(_ASK_AGAIN_S)
