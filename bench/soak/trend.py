"""Whether something grows over time, or only wavers."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import pairwise

import msgspec

# What lies near in time is alike, so single samples would claim a precision that is not there.
_BLOCKS = 10
# Of Student's t with 8 degrees of freedom, 95 % on both sides.
_T = 2.306
# The pipeline fills, caches too.
_LEFT_OUT = 0.1

Sample = tuple[float, float]


class Trend(msgspec.Struct, frozen=True, kw_only=True):
    """A line through samples: what it is in the mean, and what it gained from end to end.

    With a probability of 95 % the gain is within `noise` of what is said.
    """

    mean: float
    gained: float
    noise: float

    def is_growing(self, least_share: float) -> bool:
        """Whether it surely gained more than this share of the mean."""
        return self.gained - self.noise > least_share * abs(self.mean)


def of(samples: Sequence[Sample]) -> Trend:
    """Draw a line through (time, value), times ascending, without the first tenth.

    The line goes through the means of ten blocks, so there must be twenty samples at least.
    """
    kept = samples[round(len(samples) * _LEFT_OUT) :]
    edges = [round(len(kept) * number / _BLOCKS) for number in range(_BLOCKS + 1)]
    blocks = [kept[begin:end] for begin, end in pairwise(edges)]
    times = [statistics.fmean(time for time, _ in block) for block in blocks]
    values = [statistics.fmean(value for _, value in block) for block in blocks]
    slope, intercept = statistics.linear_regression(times, values)
    middle = statistics.fmean(times)
    squares = sum((value - slope * time - intercept) ** 2
                  for time, value in zip(times, values, strict=True))  # fmt: skip
    spread = sum((time - middle) ** 2 for time in times)
    error = math.sqrt(squares / (_BLOCKS - 2) / spread)
    length = kept[-1][0] - kept[0][0]
    return Trend(mean=statistics.fmean(values), gained=slope * length, noise=_T * error * length)
