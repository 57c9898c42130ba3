"""What a tenant may send a second: requests, bytes and events."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from services.ingest.settings import Settings


class OverQuota(Exception):
    """A tenant sends more than it may; `retry_after_s` from now on it may again."""

    def __init__(self, what: str, limit: float, retry_after_s: int) -> None:
        super().__init__(f"more than {limit:g} {what} a second")
        self.retry_after_s = retry_after_s


@dataclass(slots=True)
class _Bucket:
    """Fills by `rate` a second up to `size`; what is taken may leave it below zero.

    So a request larger than the bucket passes, and is paid for afterwards.
    """

    what: str
    rate: float
    size: float
    level: float
    filled_s: float

    def check(self, now_s: float) -> None:
        self.level = min(self.level + (now_s - self.filled_s) * self.rate, self.size)
        self.filled_s = now_s
        if self.level < 1:
            raise OverQuota(self.what, self.rate, math.ceil((1 - self.level) / self.rate))


class Quotas:
    """The buckets of every tenant; a limit of 0 is none."""

    def __init__(self, settings: Settings, now_s: Callable[[], float]) -> None:
        self._limits = {
            "requests": settings.tenant_requests_per_s_max,
            "bytes": settings.tenant_bytes_per_s_max,
            "events": settings.tenant_events_per_s_max,
        }
        self._burst_s = settings.tenant_burst_s
        self._now_s = now_s
        # One entry a tenant, and tenants are named by the settings.
        self._tenants: dict[str, dict[str, _Bucket]] = {}

    def check(self, tenant: str) -> None:
        """Raise `OverQuota` if the tenant has used up any of its buckets."""
        now_s = self._now_s()
        for bucket in self._of(tenant).values():
            bucket.check(now_s)

    def take(self, tenant: str, **amounts: int) -> None:
        """Count `requests`, `bytes` or `events`."""
        buckets = self._of(tenant)
        for what, amount in amounts.items():
            if what in buckets:
                buckets[what].level -= amount

    def _of(self, tenant: str) -> dict[str, _Bucket]:
        buckets = self._tenants.get(tenant)
        if buckets is None:
            now_s = self._now_s()
            buckets = self._tenants[tenant] = {
                what: self._full(what, rate, now_s)
                for what, rate in self._limits.items()
                if rate > 0
            }
        return buckets

    def _full(self, what: str, rate: float, now_s: float) -> _Bucket:
        size = max(rate * self._burst_s, 1.0)
        return _Bucket(what, rate, size, size, now_s)
