"""The order in which a round takes what is measured, so that none is always the first."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import TypeVar

_T = TypeVar("_T")


def in_turn(variants: Sequence[_T], number: int) -> Iterator[_T]:
    """Return the variants as a round takes them: each begins with another one."""
    first = (number - 1) % len(variants)
    yield from (*variants[first:], *variants[:first])


def shuffled(shares: Sequence[_T], number: int) -> list[_T]:
    """Return the loads in the order of a round: another one each time, and the same each run."""
    # An order, and no secret.
    return random.Random(number).sample(shares, len(shares))  # noqa: S311
