"""Percentiles of exact values."""

from __future__ import annotations

import math
from collections.abc import Sequence


def percentile(values: Sequence[int], percent: float) -> int:
    """Find the smallest value that `percent` of all do not exceed; there must be one."""
    place = math.ceil(len(values) * percent / 100)
    return sorted(values)[max(place, 1) - 1]
