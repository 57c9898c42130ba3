"""How stages ended, and what they said of their spans."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import msgspec


class Spans(msgspec.Struct, frozen=True):
    """What became of some spans."""

    exported: int = 0
    lost: int = 0

    @classmethod
    def total(cls, spans: Iterable[Spans]) -> Self:
        """Add up spans."""
        each = list(spans)
        return cls(sum(one.exported for one in each), sum(one.lost for one in each))

    @property
    def emitted(self) -> int:
        """All there were."""
        return self.exported + self.lost


class Ending(msgspec.Struct, frozen=True):
    """How a stage ended: how long after it was told to, and what it said of its spans."""

    took_s: float
    spans: Spans
