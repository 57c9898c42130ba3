"""How long the pipeline was behind after a fault, from the rows alone: no clock but theirs."""

from __future__ import annotations

from collections.abc import Iterable

# Behind is what was due longer than this before it could be seen; half a second at a time is
# judged, and two seconds of them in a row make a recovery that lasts.
BEHIND_US = 1_000_000
_BUCKET_US = 500_000
_BUCKETS_IN_A_ROW = 4


def recovered_us(seen: Iterable[tuple[int, int]], cleared_us: int, ended_us: int) -> int | None:
    """Return how long after a fault was cleared what was due was seen in time again.

    `seen` holds when an event was due and when it was stored. `None` if it never was until the
    load ended.
    """
    behind = {due // _BUCKET_US for due, stored in seen if stored - due > BEHIND_US}
    first, last = cleared_us // _BUCKET_US, ended_us // _BUCKET_US
    in_a_row = 0
    for bucket in range(first, last + 1):
        in_a_row = 0 if bucket in behind else in_a_row + 1
        # At the end of the load there are fewer to look at.
        if in_a_row == _BUCKETS_IN_A_ROW or (in_a_row and bucket == last):
            begin = (bucket - in_a_row + 1) * _BUCKET_US
            return max(begin - cleared_us, 0)
    return None


def curve_s(seen: Iterable[tuple[int, int]], started_us: int) -> list[float]:
    """Return for each second of the load the longest that what was due in it took."""
    worst: dict[int, int] = {}
    for due, stored in seen:
        second = max(due - started_us, 0) // 1_000_000
        worst[second] = max(worst.get(second, 0), stored - due)
    return [round(worst.get(n, 0) / 1e6, 1) for n in range(max(worst, default=-1) + 1)]


def worst_lag_us(seen: Iterable[tuple[int, int]]) -> int:
    """Return the longest that an event took from when it was due to when it was stored."""
    return max((stored - due for due, stored in seen), default=0)
