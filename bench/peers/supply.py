"""The events that peers are given, made before anything is measured."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

import msgspec

from tools.load.plan import Plan

Headers = Sequence[tuple[str, bytes]]

_AT_ONCE = 1_000
_CAPACITY = 1_000_000


class Supply:
    """As many different events as are asked for; the same ones each time."""

    def __init__(self) -> None:
        self._plan = Plan.of(rate_events_per_s=_CAPACITY, duration_s=1, batch=_AT_ONCE)
        self._values: list[bytes] = []

    def take(self, count: int) -> list[bytes]:
        """Return the first `count` events, each as the value of a record."""
        while len(self._values) < count:
            now_s = time.time_ns() / 1e9
            sent = self._plan.sent(len(self._values) // _AT_ONCE)
            self._values += [msgspec.json.encode({**event, "timestamp": now_s}) for event in sent]
        return self._values[:count]

    def made(self, number: int, made_s: float) -> bytes:
        """Write an event as if it was made at a moment (s since the epoch)."""
        (value,) = self.take(number + 1)[number:]
        return msgspec.json.encode({**msgspec.json.decode(value), "timestamp": made_s})


def contexts(count: int, percent: float) -> list[Headers]:
    """Give each record a trace context of its own; evenly spread ones of them are sampled."""
    drawn = random.Random(0)  # noqa: S311 - no secrets.
    step = 100 / percent if percent else 0.0
    due = 0.0
    made: list[Headers] = []
    for number in range(count):
        is_sampled = bool(step) and number >= due
        if is_sampled:
            due += step
        trace_id, span_id = drawn.getrandbits(128) | 1, drawn.getrandbits(64) | 1
        made.append(
            [("traceparent", f"00-{trace_id:032x}-{span_id:016x}-0{is_sampled:d}".encode())]
        )
    return made
