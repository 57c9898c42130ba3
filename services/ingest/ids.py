"""Ids for events that come without one: UUID version 7, ascending within a process."""

from __future__ import annotations

import random
import time

_RANDOM_BITS = 74
_LOW_BITS = 62
_VERSION_AND_VARIANT = (0x7 << 76) | (0b10 << 62)
# Two ids of one millisecond lie a random step apart, so that neither tells the other.
_STEP_BITS = 40


class Ids:
    """Makes ids; they sort in the order in which they were made, also if the clock goes back."""

    def __init__(self) -> None:
        self._random = random.Random(random.SystemRandom().getrandbits(256))  # noqa: S311 - ids, no secrets.
        self._last = 0

    def new(self) -> str:
        """Make one id, in canonical form."""
        now_ms = time.time_ns() // 1_000_000
        # The topmost random bit stays free: room for the ids to come in the same millisecond.
        value = (now_ms << _RANDOM_BITS) | self._random.getrandbits(_RANDOM_BITS - 1)
        if value <= self._last:
            value = self._last + 1 + self._random.getrandbits(_STEP_BITS)
        self._last = value
        return _written(value)


def _written(value: int) -> str:
    low = value & ((1 << _LOW_BITS) - 1)
    middle = (value >> _LOW_BITS) & 0xFFF
    top = value >> _RANDOM_BITS
    text = f"{(top << 80) | (middle << 64) | low | _VERSION_AND_VARIANT:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
