"""How much of the processors each process took, between any two moments of a run."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import psutil

_TICK_S = 0.25
# Longer than the 0.5 s between two exports: what is exported after the last row counts too.
SETTLE_S = 0.6


@dataclass(frozen=True, slots=True)
class Sample:
    """The processor seconds of each process since it began, at a moment (s since the epoch)."""

    at_s: float
    cpu_s: Mapping[str, float]


class Meter:
    """Keeps samples of some processes, by the names given to them."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._samples: list[Sample] = []

    def sample(self) -> None:
        """Take a sample now."""
        cpu_s: dict[str, float] = {}
        for name, process in self._processes.items():
            times = process.cpu_times()
            cpu_s[name] = times.user + times.system
        self._samples.append(Sample(now_s(), cpu_s))

    def between(self, since_s: float, until_s: float) -> dict[str, float]:
        """Return the processor seconds of each process between two moments."""
        before, after = at(self._samples, since_s), at(self._samples, until_s)
        return {name: after[name] - before[name] for name in self._processes}

    async def settled(self, since_s: float) -> dict[str, float]:
        """Return the processor seconds since a moment, with what comes after the last row."""
        await asyncio.sleep(SETTLE_S)
        self.sample()
        return self.between(since_s, now_s())


@asynccontextmanager
async def metering(pids: Mapping[str, int]) -> AsyncGenerator[Meter]:
    """Sample some processes several times a second."""
    meter = Meter(pids)
    meter.sample()

    async def go_on() -> None:
        # Whose process ended is told by others.
        with suppress(psutil.NoSuchProcess):
            while True:
                await asyncio.sleep(_TICK_S)
                meter.sample()

    ticking = asyncio.create_task(go_on())
    try:
        yield meter
    finally:
        ticking.cancel()


def at(samples: Sequence[Sample], moment_s: float) -> dict[str, float]:
    """Estimate the processor seconds at a moment, in a line between the samples around it.

    Samples ascend and are at least one; before the first and after the last of them they stand.
    """
    place = bisect_right(samples, moment_s, key=lambda sample: sample.at_s)
    before, after = samples[max(place - 1, 0)], samples[min(place, len(samples) - 1)]
    length_s = after.at_s - before.at_s
    share = (moment_s - before.at_s) / length_s if length_s else 0.0
    return {
        name: cpu_s + share * (after.cpu_s[name] - cpu_s) for name, cpu_s in before.cpu_s.items()
    }


def us_per_event(cpu_s: Mapping[str, float], events: int) -> dict[str, float]:
    """Return the processor time for one event, of each process by its name."""
    return {name: 1e6 * seconds / events for name, seconds in cpu_s.items()}


def now_s() -> float:
    """Return the time in seconds since the epoch, which the database's rows also have."""
    return time.time_ns() / 1e9
