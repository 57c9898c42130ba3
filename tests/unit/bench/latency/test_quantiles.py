"""Percentiles of times, each of which is that of several events."""

from __future__ import annotations

import pytest

from bench.latency.quantiles import Quantiles, Timed


def test_a_percentile_is_the_smallest_time_that_so_many_do_not_exceed() -> None:
    found = Quantiles.of(Timed(1_000 * ms) for ms in range(100, 0, -1))

    assert (found.p50_ms, found.p90_ms, found.p99_ms) == (50, 90, 99)
    assert found.mean_ms == pytest.approx(50.5)


def test_a_time_counts_for_as_many_events_as_it_is_of() -> None:
    found = Quantiles.of([Timed(1_000, events=98), Timed(500_000, events=2)])

    assert (found.p50_ms, found.p90_ms, found.p99_ms) == (1, 1, 500)
    assert found.mean_ms == pytest.approx(10.98)


def test_one_time_is_every_percentile() -> None:
    found = Quantiles.of([Timed(7_000)])

    assert (found.p50_ms, found.p90_ms, found.p99_ms, found.mean_ms) == (7, 7, 7, 7)
