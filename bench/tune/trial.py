"""A trial, and what was measured in it."""

from __future__ import annotations

from typing import Literal

import msgspec

from bench.tune import knobs
from services.topology import PIPELINE

STAGES = tuple(hop.stage for hop in PIPELINE)
# one: a value at a time. slow: with a stage that takes long. many: combinations, and again.
Phase = Literal["one", "slow", "many"]


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """Values to try; `changes` by the names of knobs. A round tries its candidates once each."""

    phase: Phase
    changes: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    round: int = 0

    @property
    def title(self) -> str:
        """Its values, for a reader; two trials with the same title try the same."""
        slow = " with a slow decorate" if self.phase == "slow" else ""
        return knobs.title(self.changes) + slow


class Latency(msgspec.Struct, frozen=True):
    """Of every event of the window (ms)."""

    p50: float
    p99: float


class Written(msgspec.Struct, frozen=True):
    """What the log of a topic got a second."""

    batches_per_s: float
    records_per_s: float
    bytes_per_s: float

    @property
    def records_per_batch(self) -> float:
        """How well batches are filled."""
        return self.records_per_s / self.batches_per_s if self.batches_per_s else 0.0


class Shown(msgspec.Struct, frozen=True):
    """A waterfall that was kept: its time to glass, and its file in the folder."""

    trace_id: str
    ms: float
    file: str


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One trial; `offered` and `stored` are events a second."""

    offered: float
    accepted: float
    stored: float
    # From the moment a request was due: what a sender that does not wait would see.
    time_to_glass: Latency
    # From the head of the request at the door.
    from_door: Latency
    # µs an event of each stage, over its replicas; and `kafka`.
    cpu_us: dict[str, float]
    # How often the partitions of a stage were dealt out anew.
    rebalances: dict[str, int]
    # Commits that came too late: what they were for is done again.
    commits_refused: int
    # By topic.
    written: dict[str, Written]
    # Of how many traces these two are.
    traces: int = 0
    median: Shown | None = None
    slowest: Shown | None = None

    @property
    def stages_us(self) -> float:
        """The processor time of all stages for an event."""
        return sum(self.cpu_us.get(stage, 0.0) for stage in STAGES)

    @property
    def kafka_us(self) -> float:
        """The processor time of the broker for an event."""
        return self.cpu_us.get("kafka", 0.0)

    @property
    def share(self) -> float:
        """How much of the load was stored while it lasted, 0 to 1."""
        return min(self.stored / self.offered, 1.0)

    @property
    def batches_per_s(self) -> float:
        """What the producers of all stages wrote."""
        return sum(one.batches_per_s for one in self.written.values())

    @property
    def records_per_batch(self) -> float:
        """How well they filled them."""
        records = sum(one.records_per_s for one in self.written.values())
        return records / self.batches_per_s if self.batches_per_s else 0.0


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """A trial that is over; `number` counts from 1. One that failed has only an error."""

    number: int
    trial: Trial
    took_s: float
    measured: Measured | None = None
    error: str = ""
