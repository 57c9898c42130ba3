"""Processor time between moments that fall between samples."""

from __future__ import annotations

import os

import pytest

from bench.watch.meter import Meter, Sample, at, now_s

SAMPLES = [Sample(10.0, {"sink": 1.0}), Sample(12.0, {"sink": 2.0}), Sample(13.0, {"sink": 4.0})]


@pytest.mark.parametrize(
    ("moment_s", "cpu_s"),
    [(9.0, 1.0), (10.0, 1.0), (11.0, 1.5), (12.0, 2.0), (12.25, 2.5), (13.0, 4.0), (99.0, 4.0)],
)
def test_time_lies_on_a_line_between_samples_and_stands_beyond_them(
    moment_s: float, cpu_s: float
) -> None:
    assert at(SAMPLES, moment_s)["sink"] == pytest.approx(cpu_s)


def test_one_sample_is_enough() -> None:
    assert at(SAMPLES[:1], 11.0) == {"sink": 1.0}


def test_a_process_that_works_is_seen_to_work() -> None:
    meter = Meter({"this": os.getpid()})
    began_s = now_s()
    meter.sample()
    while meter.between(began_s, now_s())["this"] < 0.05:
        sum(range(100_000))
        meter.sample()

    assert meter.between(now_s() + 1, now_s() + 2) == {"this": 0.0}
