"""Where the spans of a run go: the stack's Jaeger, or a collector that the bench starts."""

from __future__ import annotations

import asyncio
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from bench.comparison.results import COLLECTOR
from bench.stack.receiver import HOST, Kind
from bench.stack.temporary import Stack
from tools.env import REPOSITORY
from tools.errors import OperatorError
from tools.native import leash

_ANSWER_LIMIT_S = 10.0


@dataclass(slots=True)
class Collector:
    """What stages need to find it, and its process if it has one."""

    environ: Mapping[str, str]
    pids: Mapping[str, int]
    # Of one that counts, once it has ended.
    spans_taken: int | None = None


# Makes a collector ready for one run, and ends it.
Collecting = Callable[[Stack], AbstractAsyncContextManager[Collector]]


@asynccontextmanager
async def jaeger(stack: Stack) -> AsyncGenerator[Collector]:
    """Send spans to Jaeger, which stays between runs."""
    yield Collector({}, {COLLECTOR: stack.pids["jaeger"]})


@asynccontextmanager
async def dead(_stack: Stack) -> AsyncGenerator[Collector]:
    """Send spans to a port that refuses connections: it is taken, and nobody listens."""
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        yield Collector(_at(taken.getsockname()[1]), {}, spans_taken=0)


def started(kind: Kind) -> Collecting:
    """Send spans to a process of the bench."""

    @asynccontextmanager
    async def collecting(_stack: Stack) -> AsyncGenerator[Collector]:
        python = sys.executable
        process = await asyncio.create_subprocess_exec(
            # On a leash: it ends also when the bench is killed.
            *(python, str(leash.__file__), "--", python, "-m", "bench.stack.receiver", kind.value),
            cwd=REPOSITORY,
            stdout=PIPE,
            # Ctrl-C is for the bench, which then ends it.
            start_new_session=True,
        )
        try:
            collector = Collector(_at(await _answer(process)), {COLLECTOR: process.pid})
            yield collector
            process.terminate()
            collector.spans_taken = await _answer(process)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    return collecting


async def _answer(process: Process) -> int:
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), _ANSWER_LIMIT_S)
        return int(line)
    except (TimeoutError, ValueError) as error:
        raise OperatorError(
            "The collector of the bench did not answer; see what it wrote above, if anything."
        ) from error


def _at(port: int) -> dict[str, str]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{HOST}:{port}"}
