"""Percentiles of times that are each of several events."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from typing import NamedTuple, Self

import msgspec


class Timed(NamedTuple):
    """So many events took so long (µs)."""

    took_us: int
    events: int = 1


class Quantiles(msgspec.Struct, frozen=True, kw_only=True):
    """Some percentiles, and the mean (ms)."""

    p50_ms: float
    p90_ms: float
    p99_ms: float
    mean_ms: float

    @classmethod
    def of(cls, times: Iterable[Timed]) -> Self:
        """Sum up some times, at least one."""
        ascending = sorted(times)
        counts = list(accumulate(events for _, events in ascending))

        def at(percent: float) -> float:
            wanted = counts[-1] * percent / 100
            place = next(n for n, count in enumerate(counts) if count >= wanted)
            return ascending[place].took_us / 1e3

        mean_ms = sum(took_us * events for took_us, events in ascending) / counts[-1] / 1e3
        return cls(p50_ms=at(50), p90_ms=at(90), p99_ms=at(99), mean_ms=mean_ms)
