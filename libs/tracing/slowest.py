"""The slowest few of each second."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Slowest(Generic[T]):
    """Keeps the slowest `count` of what is offered within a second; 0 keeps nothing."""

    def __init__(self, count: int, now_s: Callable[[], float] = time.monotonic) -> None:
        self._count = count
        self._now_s = now_s
        self._began_s = now_s()
        # The number keeps equal times from comparing what they hold.
        self._numbers = itertools.count()
        self._heap: list[tuple[int, int, T]] = []

    def may_be(self, took_us: int) -> bool:
        """Say whether something that took so long would be kept now."""
        if len(self._heap) < self._count:
            return True
        return bool(self._heap) and took_us > self._heap[0][0]

    def offer(self, took_us: int, what: T) -> None:
        """Keep it if it is among the slowest of this second so far."""
        if not self.may_be(took_us):
            return
        heapq.heappush(self._heap, (took_us, next(self._numbers), what))
        if len(self._heap) > self._count:
            heapq.heappop(self._heap)

    def take(self, *, is_end: bool = False) -> list[T]:
        """Give what was kept once its second is over, slowest first, and begin anew."""
        if not is_end and self._now_s() - self._began_s < 1:
            return []
        kept = [what for _, _, what in sorted(self._heap, reverse=True)]
        self._heap.clear()
        self._began_s = self._now_s()
        return kept
