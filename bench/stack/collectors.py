"""Where the spans of a run go: the stack's Jaeger, or a collector that the bench starts."""

from __future__ import annotations

import socket
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from bench.stack import programs
from bench.stack.receiver import HOST, Kind, address
from bench.stack.temporary import Stack

# What collects is told under this name, whatever it is.
COLLECTOR = "collector"
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
        yield Collector(address(taken.getsockname()[1]), {}, spans_taken=0)


def started(kind: Kind) -> Collecting:
    """Send spans to a process of the bench."""

    @asynccontextmanager
    async def collecting(stack: Stack) -> AsyncGenerator[Collector]:
        command = (sys.executable, "-m", "bench.stack.receiver", kind.value)
        program = await programs.start(stack, COLLECTOR, command, {})
        try:
            await program.become_ready()
            port = int(program.lines()[0])
            collector = Collector(address(port), {COLLECTOR: program.pid})
            yield collector
            program.terminate()
            collector.spans_taken = int(await program.result(_ANSWER_LIMIT_S))
        finally:
            await program.kill()

    return collecting
