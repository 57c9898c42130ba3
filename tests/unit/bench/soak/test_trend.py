"""Whether something grows over time, or only wavers."""

from __future__ import annotations

import math

import pytest

from bench.soak import trend
from bench.soak.trend import Sample, Trend


def samples(value: float, gained: float, wave: float = 0.0, count: int = 100) -> list[Sample]:
    """A line from end to end, and waves over it."""
    return [
        (10.0 * number, value + gained * number / (count - 1) + wave * math.sin(number))
        for number in range(count)
    ]


def test_a_line_gains_what_lies_between_its_ends_without_the_first_tenth() -> None:
    found = trend.of(samples(100, gained=50))

    assert found.gained == pytest.approx(50 * 89 / 99)
    assert found.noise == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("gained", "wave", "is_growing"),
    [
        (0, 0, False),
        (0, 5, False),
        (1, 0, False),
        (-20, 1, False),
        (10, 0, True),
        (10, 5, True),
    ],
    ids=["still", "waves", "less than counts", "shrinks", "grows", "grows in waves"],
)
def test_what_grows_gains_more_than_its_noise_and_more_than_counts(
    gained: float, wave: float, is_growing: bool
) -> None:
    assert trend.of(samples(100, gained, wave)).is_growing(0.02) is is_growing


def test_growth_that_may_be_noise_is_none() -> None:
    assert not Trend(mean=100, gained=10, noise=9).is_growing(0.02)
    assert Trend(mean=100, gained=10, noise=7).is_growing(0.02)


def test_what_comes_before_the_pipeline_is_warm_does_not_count() -> None:
    warming = [(float(n), 0.0 if n < 4 else 100.0) for n in range(40)]

    assert trend.of(warming) == Trend(mean=100, gained=0, noise=0)


def test_the_fewest_samples_there_may_be_are_enough() -> None:
    assert trend.of(samples(100, gained=20, count=20)).is_growing(0.02)
