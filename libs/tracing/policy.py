"""What is decided about traces for a whole process: their shape, and which are told afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from libs.tracing.settings import Shape, TraceSettings


class Bucket:
    """A token bucket that holds one second's worth, and at least one token."""

    def __init__(self, per_second: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._now_s = now_s
        # A rate below one a second must still be able to save up a whole token.
        self._room = max(per_second, 1.0)
        self._tokens = per_second
        self._filled_s = now_s()

    def take(self) -> bool:
        """Take a token if there is one."""
        now_s = self._now_s()
        self._tokens = min(self._tokens + (now_s - self._filled_s) * self._per_second, self._room)
        self._filled_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@dataclass(slots=True)
class Policy:
    """Decides for this process; the settings are the same for all stages."""

    settings: TraceSettings = field(default_factory=TraceSettings)
    # Whether this process exports spans; where it does not, none are built.
    is_on: bool = True
    _rebuilds: Bucket = field(init=False)

    def __post_init__(self) -> None:
        self._rebuilds = Bucket(self.settings.retro_per_second_max)

    @property
    def shape(self) -> Shape:
        """How the spans of a trace hang together."""
        return self.settings.shape

    @property
    def has_kafka_spans(self) -> bool:
        """Whether the spans of Kafka are made, and made by us."""
        return self.is_on and not self.is_contrib

    @property
    def is_contrib(self) -> bool:
        """Whether somebody else makes the spans of Kafka, and puts the context into records."""
        return self.settings.kafka == "contrib"

    def is_slow(self, time_to_glass_us: int) -> bool:
        """Say whether a request that was not sampled deserves its trace for its slowness."""
        return self.has_kafka_spans and 0 < self.settings.retro_slow_s * 1e6 <= time_to_glass_us

    def may_rebuild_failed(self) -> bool:
        """Take one for a request that has failed, if those are to be rebuilt."""
        return self.settings.retro_failed and self.may_rebuild()

    def may_rebuild(self) -> bool:
        """Take one from the traces that may be rebuilt in this second."""
        return self.has_kafka_spans and self._rebuilds.take()
