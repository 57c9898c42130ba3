"""Load on a door as fast as it goes, and in open loop far above that."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import psutil

from libs.errors import Unavailable
from tests.door import KEY, SecondDoor
from tools.load.client import Client

_ANSWER_LIMIT_S = 15.0
_LOOPS = 8
_HEADERS = {"Api-Key": KEY, "Content-Type": "application/json"}


@dataclass
class Measured:
    """What was answered, how soon, and what it cost the door."""

    statuses: Counter[int] = field(default_factory=Counter[int])
    unknown: int = 0
    accepted_s: list[float] = field(default_factory=list[float])
    refused_s: list[float] = field(default_factory=list[float])
    health_worst_s: float = 0.0
    rss_first_bytes: int = 0
    rss_worst_bytes: int = 0

    @property
    def accepted_p99_s(self) -> float:
        """How soon 99 of 100 accepted requests were."""
        return sorted(self.accepted_s)[len(self.accepted_s) * 99 // 100]

    @property
    def rss_growth_bytes(self) -> int:
        """By how much the door's memory grew."""
        return self.rss_worst_bytes - self.rss_first_bytes

    def __repr__(self) -> str:
        return (
            f"{dict(self.statuses)}, {self.unknown} unknown, accepted p99 {self.accepted_p99_s:.3f}"
            f" s, health at worst {self.health_worst_s:.3f} s, memory from "
            f"{self.rss_first_bytes:,} by {self.rss_growth_bytes:,} bytes"
        )


async def closed_loop(door: SecondDoor, body: bytes, for_s: float) -> float:
    """Send one request after the other, over a few connections; give the accepted ones a second."""
    client = Client(door.url, "/v1/events", _HEADERS)
    measured, end_s = Measured(), time.monotonic() + for_s

    async def loop() -> None:
        while time.monotonic() < end_s:
            await _ask(client, body, measured)

    await asyncio.gather(*(loop() for _ in range(_LOOPS)))
    client.close()
    return measured.statuses[202] / for_s


async def open_loop(door: SecondDoor, body: bytes, rate: float, for_s: float) -> Measured:
    """Send each request at its own time."""
    client = Client(door.url, "/v1/events", _HEADERS)
    measured = Measured()
    async with _sampled(door, measured), asyncio.TaskGroup() as tasks:
        began_s = time.monotonic()
        for request in range(round(rate * for_s)):
            await asyncio.sleep(max(began_s + request / rate - time.monotonic(), 0))
            if time.monotonic() - began_s > 2 * for_s:
                break
            tasks.create_task(_ask(client, body, measured))
    client.close()
    return measured


async def _ask(client: Client, body: bytes, measured: Measured) -> None:
    began_s = time.monotonic()
    try:
        answer = await client.post(body, _ANSWER_LIMIT_S)
    except Unavailable:
        measured.unknown += 1
        return
    took_s = time.monotonic() - began_s
    measured.statuses[answer.status] += 1
    (measured.accepted_s if answer.status == 202 else measured.refused_s).append(took_s)


# In a process of its own: the one that sends is busier than the door.
_PROBE = """
import sys, time, urllib.request
worst_s = 0.0
while True:
    began_s = time.monotonic()
    urllib.request.urlopen(sys.argv[1], timeout=30).read()
    worst_s = max(worst_s, time.monotonic() - began_s)
    print(worst_s, flush=True)
    time.sleep(0.1)
"""


@asynccontextmanager
async def _sampled(door: SecondDoor, measured: Measured) -> AsyncGenerator[None]:
    process = psutil.Process(door.process.pid)
    measured.rss_first_bytes = process.memory_info().rss
    probe = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PROBE, f"{door.url}/live", stdout=asyncio.subprocess.PIPE
    )
    assert probe.stdout is not None
    stdout = probe.stdout

    async def look() -> None:
        async for line in stdout:
            measured.health_worst_s = float(line)
            rss = process.memory_info().rss
            measured.rss_worst_bytes = max(measured.rss_worst_bytes, rss)

    looking = asyncio.create_task(look())
    try:
        yield
        assert probe.returncode is None, "the probe of health has failed"
    finally:
        probe.kill()
        await probe.wait()
        await looking
