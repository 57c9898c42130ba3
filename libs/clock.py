"""The time of day, as everything that is compared across processes has it."""

from __future__ import annotations

import time


def now_us() -> int:
    """Return microseconds since the epoch."""
    return time.time_ns() // 1000
