"""What a run sends and when: fixed before it begins, whatever the pipeline does meanwhile."""

from __future__ import annotations

import random
import time
import uuid
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Plan:
    """A run of `requests` requests of `batch` events, `rate_events_per_s` all together.

    Event n of the run has the id `event_id(n)`, and request i holds `batch` events from the
    number i * `batch` on.
    """

    run_id: uuid.UUID
    rate_events_per_s: float
    duration_s: float
    batch: int

    @classmethod
    def of(cls, rate_events_per_s: float, duration_s: float, batch: int) -> Plan:
        """Make the plan of a run that never was before."""
        # UUID version 7; its lowest 48 bits are left to count the events.
        now_ms, noise = time.time_ns() // 1_000_000, random.SystemRandom().getrandbits(26)
        high = now_ms << 80 | 0x7 << 76 | (noise >> 14) << 64
        low = 0b10 << 62 | (noise & 0x3FFF) << 48
        return cls(uuid.UUID(int=high | low), rate_events_per_s, duration_s, batch)

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

    def body(self, request: int) -> bytes:
        """Write a request's body; the same each time it is asked for."""
        drawn = random.Random(request)  # noqa: S311 - values, no secrets.
        first = request * self.batch
        return msgspec.json.encode(
            [self._event(n, drawn) for n in range(first, first + self.batch)]
        )

    def _event(self, number: int, drawn: random.Random) -> dict[str, object]:
        name, unit, median = _MEASURED[number % len(_MEASURED)]
        return {
            "event_id": self.event_id(number),
            "name": name,
            "value": round(median * (1 + _SPREAD * (drawn.random() - 0.5)), 3),
            "unit": unit,
            "attributes": {
                "entity": ENTITIES[number % len(ENTITIES)],
                "run": str(self.run_id),
            },
        }
