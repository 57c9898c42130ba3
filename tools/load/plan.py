"""What a run sends and when: fixed before it begins, whatever the pipeline does meanwhile."""

from __future__ import annotations

import random
import time
import uuid
from dataclasses import dataclass
from typing import Any

import msgspec

from libs.events import canonical_name

ENTITIES = ("checkout", "cart", "catalog", "search", "shipping", "gateway")
# Name, unit and median of what services of a shop would measure.
_MEASURED = (
    ("checkout.latency", "ms", 120.0),
    ("cpu.utilization", "percent", 45.0),
    ("memory.usage", "KiB", 524_288.0),
)
NAMES = tuple(canonical_name(name) for name, _, _ in _MEASURED)
_SPREAD = 0.3
# Valid where it enters, and too large for a number of bytes: a stage must dead-letter it.
_POISON = ("memory.usage", "PiB", 1e300)


@dataclass(frozen=True, slots=True)
class Plan:
    """A run of `requests` requests of `batch` events, `rate_events_per_s` all together.

    Event n of the run has the id `event_id(n)`, and request i holds `batch` events from the
    number i * `batch` on. Requests take the `keys` in turn; their order is kept within a key, so
    one waits for the other there. The share `poison` of the events cannot be worked on.
    """

    run_id: uuid.UUID
    rate_events_per_s: float
    duration_s: float
    batch: int
    keys: int = 0
    poison: float = 0.0

    @classmethod
    def of(
        cls,
        rate_events_per_s: float,
        duration_s: float,
        batch: int,
        *,
        keys: int = 0,
        poison: float = 0.0,
    ) -> Plan:
        """Make the plan of a run that never was before."""
        # UUID version 7; its lowest 48 bits are left to count the events.
        now_ms, noise = time.time_ns() // 1_000_000, random.SystemRandom().getrandbits(26)
        high = now_ms << 80 | 0x7 << 76 | (noise >> 14) << 64
        low = 0b10 << 62 | (noise & 0x3FFF) << 48
        run_id = uuid.UUID(int=high | low)
        return cls(run_id, rate_events_per_s, duration_s, batch, keys, poison)

    @property
    def requests(self) -> int:
        """How many requests there are, at least one."""
        return max(1, round(self.rate_events_per_s * self.duration_s / self.batch))

    @property
    def events(self) -> int:
        """How many events there are."""
        return self.requests * self.batch

    def due_s(self, request: int) -> float:
        """Return when a request is to be sent, in seconds from the start."""
        return request * self.batch / self.rate_events_per_s

    def event_id(self, number: int) -> str:
        """Return the id of an event."""
        return str(uuid.UUID(int=self.run_id.int + number))

    def number(self, event_id: uuid.UUID) -> int:
        """Return which event of the run has this id."""
        return event_id.int - self.run_id.int

    def key(self, request: int) -> str:
        """Return the key in which the request keeps its order; empty if it keeps none."""
        return f"key-{request % self.keys}" if self.keys else ""

    def turn(self, request: int) -> int:
        """Return how many requests of the same key come before this one."""
        return request // self.keys if self.keys else request

    def body(self, request: int) -> bytes:
        """Write a request's body; the same each time it is asked for."""
        return msgspec.json.encode(self.sent(request))

    def sent(self, request: int) -> list[dict[str, Any]]:
        """Make the events of a request; the same each time it is asked for."""
        drawn = random.Random(request)  # noqa: S311 - values, no secrets.
        first = request * self.batch
        return [self._event(n, drawn) for n in range(first, first + self.batch)]

    def _event(self, number: int, drawn: random.Random) -> dict[str, Any]:
        name, unit, median = _MEASURED[number % len(_MEASURED)]
        value = round(median * (1 + _SPREAD * (drawn.random() - 0.5)), 3)
        if self.poison and drawn.random() < self.poison:
            name, unit, value = _POISON
        return {
            "event_id": self.event_id(number),
            "name": name,
            "value": value,
            "unit": unit,
            "attributes": {
                "entity": ENTITIES[number % len(ENTITIES)],
                "run": str(self.run_id),
            },
        }
