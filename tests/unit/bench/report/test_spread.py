"""Medians with both ends."""

from __future__ import annotations

from bench.report.spread import Spread, ranged


def test_a_spread_has_the_median_and_both_ends() -> None:
    assert Spread.of([3.0, 1.0, 9.0]) == Spread(median=3.0, lowest=1.0, highest=9.0)


def test_both_ends_are_written_where_they_differ() -> None:
    assert ranged(Spread.of([2_000.0, 1_000.0, 9_000.0]), ".1f", 1e3) == "2.0 (1.0-9.0)"
    assert ranged(Spread.of([2.0, 2.0]), ".1f") == "2.0"
