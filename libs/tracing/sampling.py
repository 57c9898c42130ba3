"""Which requests are traced: a ratio, under a cap of traces per second."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from libs.tracing.context import others_members
from libs.tracing.door import Request
from libs.tracing.policy import Bucket, Policy
from libs.tracing.settings import SamplingSettings


class Sampler:
    """Decides at the door, on nothing that a client chose unless its tenant is trusted."""

    def __init__(
        self,
        settings: SamplingSettings,
        policy: Policy,
        now_s: Callable[[], float],
        trusted: Iterable[str] = (),
    ) -> None:
        # A trace whose first spans nobody exports would be no whole one.
        self._ratio = settings.ratio if policy.is_on else 0.0
        self._is_on = policy.is_on
        self._bucket = Bucket(settings.per_second_max, now_s)
        self._trusted = {
            tenant: Bucket(settings.trusted_per_second_max, now_s) for tenant in trusted
        }

    def sample(self, request: Request, tenant: str, tracestate: str) -> Request:
        """Decide for one request; that of a trusted tenant goes on in the trace of its caller."""
        bucket = self._trusted.get(tenant)
        if bucket is None or request.caller is None:
            return request.sampled() if self.decide() else request
        continued = request.continuing(others_members(tracestate))
        is_sampled = self._is_on and request.caller.is_sampled and bucket.take()
        return continued.sampled() if is_sampled else continued

    def decide(self) -> bool:
        """Decide for one request; a yes takes a token."""
        # Not a secret, only a draw.
        return random.random() < self._ratio and self._bucket.take()  # noqa: S311
