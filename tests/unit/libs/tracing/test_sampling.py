from __future__ import annotations

from libs.tracing.policy import Policy
from libs.tracing.sampling import Sampler
from libs.tracing.settings import SamplingSettings, TraceSettings


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def sampler(
    clock: Clock, *, ratio: float = 1.0, per_second_max: float = 10.0, is_on: bool = True
) -> Sampler:
    settings = SamplingSettings.model_validate(
        {"OTEL_TRACES_SAMPLER_ARG": ratio, "TRACE_PER_SECOND_MAX": per_second_max}
    )
    return Sampler(settings, Policy(TraceSettings(), is_on=is_on), clock)


def test_a_burst_is_cut_at_the_cap() -> None:
    decide = sampler(Clock()).decide

    assert sum(decide() for _ in range(50)) == 10


def test_the_bucket_fills_with_time_but_never_above_a_second() -> None:
    clock = Clock()
    decide = sampler(clock).decide
    for _ in range(10):
        decide()

    clock.now_s += 0.5
    after_half_a_second = sum(decide() for _ in range(50))
    clock.now_s += 100.0
    after_a_long_rest = sum(decide() for _ in range(50))

    assert after_half_a_second == 5
    assert after_a_long_rest == 10


def test_a_rate_below_one_a_second_still_lets_traces_through() -> None:
    clock = Clock()
    decide = sampler(clock, per_second_max=0.5).decide

    clock.now_s += 2.0

    assert decide()
    assert not decide()


def test_where_nothing_is_exported_nothing_is_sampled() -> None:
    assert not sampler(Clock(), is_on=False).decide()


def test_a_ratio_of_zero_traces_nothing() -> None:
    decide = sampler(Clock(), ratio=0.0).decide

    assert not any(decide() for _ in range(100))


def test_a_ratio_takes_its_share() -> None:
    decide = sampler(Clock(), ratio=0.5, per_second_max=10_000).decide

    assert 800 < sum(decide() for _ in range(2_000)) < 1_200
