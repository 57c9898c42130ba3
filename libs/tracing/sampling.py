"""Which requests are traced: a ratio, under a cap of traces per second."""

from __future__ import annotations

import random
from collections.abc import Callable

from libs.tracing.settings import SamplingSettings


class Sampler:
    """A ratio and a token bucket that holds one second's worth of traces."""

    def __init__(self, settings: SamplingSettings, now_s: Callable[[], float]) -> None:
        self._settings = settings
        self._now_s = now_s
        # A rate below one a second must still be able to save up a whole token.
        self._room = max(settings.per_second_max, 1.0)
        self._tokens = settings.per_second_max
        self._filled_s = now_s()

    def decide(self) -> bool:
        """Decide for one request; a yes takes a token."""
        if random.random() >= self._settings.ratio:  # noqa: S311  (a draw, not a secret)
            return False
        now_s = self._now_s()
        gained = (now_s - self._filled_s) * self._settings.per_second_max
        self._tokens = min(self._tokens + gained, self._room)
        self._filled_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
