"""A median with both ends of the values it is of."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Self

import msgspec


class Spread(msgspec.Struct, frozen=True):
    """A median, and the lowest and the highest of the values it is of."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Sum up some values, at least one."""
        return cls(statistics.median(values), min(values), max(values))


def ranged(spread: Spread, form: str, unit: float = 1) -> str:
    """Write the median, and the lowest and the highest if they differ."""
    median, lowest, highest = (
        format(value / unit, form) for value in (spread.median, spread.lowest, spread.highest)
    )
    return median if lowest == highest else f"{median} ({lowest}-{highest})"
