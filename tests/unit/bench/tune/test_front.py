"""The front, and which of its points is recommended."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from bench.tune import front
from bench.tune.front import Point
from tests.unit.bench.tune.made import done

LINGER = {"linger.ms": "20"}
BATCH = {"batch.size": "16384"}
figures = st.tuples(
    st.floats(1, 1_000), st.floats(1, 100), st.sampled_from([2_500.0, 4_000.0, 5_000.0])
)


def points(*each: tuple[float, float, float]) -> list[Point]:
    dones = [
        done(number, {"linger.ms": str(number)}, p99_ms=p99_ms, cpu_us=cpu_us, stored=stored)
        for number, (p99_ms, cpu_us, stored) in enumerate(each)
    ]
    return front.points(dones)


def test_a_point_that_is_nowhere_better_is_not_on_the_front() -> None:
    found = points((40, 20, 5_000), (50, 20, 5_000), (60, 10, 5_000), (30, 30, 5_000))

    assert [point.title for point in front.front(found)] == [
        "linger.ms=3",
        "linger.ms=0",
        "linger.ms=2",
    ]


def test_throughput_is_an_axis_of_its_own() -> None:
    found = points((40, 20, 2_500), (400, 40, 5_000))

    assert len(front.front(found)) == 2


def test_a_trifle_of_throughput_is_none() -> None:
    found = points((40, 20, 4_960), (41, 21, 5_000))

    assert [point.title for point in front.front(found)] == ["linger.ms=0"]


@given(st.lists(figures, min_size=1, max_size=12))
def test_nothing_is_better_than_the_front_and_the_rest_is_worse_than_some_of_it(
    each: list[tuple[float, float, float]],
) -> None:
    found = points(*each)
    best = front.front(found)

    assert best
    for point in found:
        beaten = any(front.dominates(one, point) for one in best)
        assert beaten == (point not in best)


def test_trials_of_one_setting_are_one_point_and_slow_ones_none() -> None:
    dones = [
        done(1),
        done(2, LINGER),
        done(3, {}, phase="slow"),
        done(4, {}, phase="many", round=1, p99_ms=60),
    ]

    found = front.points(dones)
    assert [(point.title, point.times) for point in found] == [("defaults", 2), ("linger.ms=20", 1)]
    assert found[0].p99_ms.median == 50


@pytest.mark.parametrize(
    ("p99_ms", "cpu_us"),
    # Worse on one axis, or better by less than the defaults differ from themselves.
    [(30, 20.2), (45, 10), (39, 20)],
)
def test_what_is_worse_anywhere_or_better_by_noise_is_not_recommended(
    p99_ms: float, cpu_us: float
) -> None:
    dones = [
        done(1, p99_ms=38, cpu_us=20),
        done(2, p99_ms=40, cpu_us=20),
        done(3, p99_ms=42, cpu_us=20),
        *(done(n, LINGER, p99_ms=p99_ms, cpu_us=cpu_us) for n in (4, 5)),
    ]

    choice = front.choose(front.points(dones))
    assert choice.point is None


def test_the_best_of_what_is_better_and_was_seen_again_is_recommended() -> None:
    base = [done(n, p99_ms=40, cpu_us=20) for n in (1, 2)]
    good = [done(n, LINGER, p99_ms=30, cpu_us=18) for n in (3, 4)]
    better_once = done(5, BATCH, p99_ms=10, cpu_us=5)

    choice = front.choose(front.points([*base, *good, better_once]))
    assert choice.point is not None
    assert choice.point.changes == LINGER
    assert "30.0 ms instead of 40.0" in choice.why

    only_once = front.choose(front.points([*base, better_once]))
    assert only_once.point is None
    assert "measured once" in only_once.why


def test_defaults_that_nothing_beats_are_said_to_be_on_the_front() -> None:
    choice = front.choose(front.points([done(1), done(2, LINGER, p99_ms=80)]))

    assert choice.point is None
    assert "defaults are on the front" in choice.why
