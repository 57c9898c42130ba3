"""The two questions, answered with the figures of trials."""

from __future__ import annotations

from bench.tune import answers
from tests.unit.bench.tune.made import done

DEFAULTS = [done(1, p99_ms=40, cpu_us=20), done(2, p99_ms=44, cpu_us=22)]


def test_linger_is_compared_with_the_defaults_and_ascends() -> None:
    table = answers.linger(
        [
            *DEFAULTS,
            done(3, {"linger.ms": "20"}, p99_ms=162, cpu_us=14),
            done(4, {"linger.ms": "5"}),
        ]
    )

    assert table is not None
    assert [row[0] for row in table.rows] == ["linger.ms 0", "linger.ms 5", "linger.ms 20"]
    assert table.rows[2][2:4] == ("81.0", "+60.0")
    assert "linger.ms=20 adds 60.0 ms to the median time to glass" in table.says
    assert "saves 7.0 µs of 21.0 µs" in table.says
    assert "(33%)" in table.says


def test_a_combination_with_linger_is_no_answer() -> None:
    both = {"linger.ms": "20", "batch.size": "16384"}

    assert answers.linger([*DEFAULTS, done(3, both)]) is None


def test_a_linger_that_costs_is_said_to() -> None:
    table = answers.linger([*DEFAULTS, done(3, {"linger.ms": "20"}, p99_ms=20, cpu_us=25)])

    assert table is not None
    assert "linger.ms=20 takes 11.0 ms from the median" in table.says
    assert "costs 4.0 µs" in table.says


def test_poll_records_are_told_with_rebalances() -> None:
    table = answers.poll_records(
        [*DEFAULTS, done(3, {"max.poll.records": "10"}, rebalances=2), done(4, {"linger.ms": "5"})]
    )

    assert table is not None
    assert [(row[0], row[-1]) for row in table.rows] == [
        ("max.poll.records 10", "2"),
        ("max.poll.records 500", "0"),
    ]


def test_a_slow_stage_is_told_apart_with_what_it_lost() -> None:
    short = {"max.poll.interval.ms": "1000"}
    slow = [
        done(3, phase="slow", stored=2_500),
        done(4, short, phase="slow", stored=100, rebalances=4),
    ]

    table = answers.poll_interval([*DEFAULTS, *slow])
    assert table is not None
    assert [(row[0], row[1], *row[-2:]) for row in table.rows] == [
        ("max.poll.records 500, max.poll.interval.ms 60000", "2,500", "0", "0"),
        ("max.poll.records 500, max.poll.interval.ms 1000", "100", "4", "4"),
    ]
    assert answers.poll_interval(DEFAULTS) is None


def test_noise_is_how_far_the_defaults_are_from_themselves() -> None:
    said = answers.noise([*DEFAULTS, done(3, {"linger.ms": "5"}, cpu_us=99)])

    assert "measured 2 times" in said
    assert "p99 from 40.0 to 44.0 (10%)" in said
    assert "processor time from 20.0 to 22.0 (10%)" in said
    assert "nothing is known of the noise" in answers.noise(DEFAULTS[:1])
