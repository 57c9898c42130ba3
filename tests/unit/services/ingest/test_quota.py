from __future__ import annotations

import pytest

from services.ingest.quota import OverQuota, Quotas
from services.ingest.settings import Settings


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def quotas(clock: Clock, **limits: float) -> Quotas:
    chosen = {"INGEST_API_KEYS": "default=secret", "tenant_burst_s": 2.0, **limits}
    return Quotas(Settings.model_validate(chosen), clock)


def test_without_limits_nobody_is_held_back() -> None:
    made = quotas(Clock())
    made.take("a", requests=1_000_000, bytes=10**12, events=10**9)

    made.check("a")


@pytest.mark.parametrize("what", ["requests", "bytes", "events"])
def test_past_its_burst_a_tenant_waits_until_its_bucket_has_something(what: str) -> None:
    clock = Clock()
    made = quotas(clock, **{f"tenant_{what}_per_s_max": 10.0})
    for _ in range(20):
        made.check("a")
        made.take("a", **{what: 1})

    with pytest.raises(OverQuota, match=f"more than 10 {what} a second") as over:
        made.check("a")
    made.check("b")

    clock.now_s += over.value.retry_after_s
    made.check("a")


def test_one_that_is_larger_than_the_bucket_passes_and_is_paid_for_afterwards() -> None:
    clock = Clock()
    made = quotas(clock, tenant_events_per_s_max=10.0)
    made.check("a")
    made.take("a", events=120)

    with pytest.raises(OverQuota) as over:
        made.check("a")
    assert over.value.retry_after_s == 11
    clock.now_s += 9.0
    with pytest.raises(OverQuota):
        made.check("a")
    clock.now_s += 2.0
    made.check("a")
