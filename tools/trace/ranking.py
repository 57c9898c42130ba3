"""The slowest of many traces, and what made each of them slow."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

from libs.tracing import names
from tools.trace import critical, spent
from tools.trace.jaeger import Trace
from tools.trace.spent import Spent


@dataclass(frozen=True, slots=True)
class Ranked:
    """One trace; `spent` is never empty and adds up to `time_to_glass_us`.

    `is_retro` says that it was not sampled, and told after the fact. `events` is 0 if not known.
    """

    trace_id: str
    time_to_glass_us: int
    dominated_by: Spent
    events: int
    is_retro: bool
    is_failed: bool
    spent: list[Spent]

    @property
    def dominated_share(self) -> float:
        """The part of what took most, 0 to 1."""
        return self.dominated_by.duration_us / self.time_to_glass_us


def slowest(traces: Iterable[Trace], count: int) -> list[Ranked]:
    """Rank traces that have a root, the slowest first; one that took no time is left out."""
    timed = [(took_us(trace), trace.id, trace) for trace in traces]
    # By id, too, so that two of the same time keep their order.
    chosen = heapq.nlargest(count, timed, key=lambda one: one[:2])
    return [_ranked(trace) for duration_us, _, trace in chosen if duration_us > 0]


def as_json(one: Ranked) -> dict[str, object]:
    """Give a rank to a script; times in ms, shares from 0 to 1."""
    return {
        "trace_id": one.trace_id,
        "time_to_glass_ms": one.time_to_glass_us / 1_000,
        "dominated_by": {
            "kind": one.dominated_by.kind,
            "stage": one.dominated_by.stage,
            "share": round(one.dominated_share, 4),
        },
        "events": one.events,
        "is_retro": one.is_retro,
        "is_failed": one.is_failed,
        "spent": [
            {
                "kind": spent.kind,
                "stage": spent.stage,
                "ms": spent.duration_us / 1_000,
                "parts_ms": {part: us / 1_000 for part, us in spent.parts.items()},
            }
            for spent in one.spent
        ],
    }


def took_us(trace: Trace) -> int:
    """The time to glass of a trace that has a root."""
    assert trace.root is not None
    return trace.root.duration_us


def is_retro(trace: Trace) -> bool:
    """Whether it was told after the fact, because it was slow or failed."""
    return trace.root is not None and trace.root.attributes.get(names.RETRO) is True


def _ranked(trace: Trace) -> Ranked:
    assert trace.root is not None
    summed = spent.by_stage(critical.path(trace))
    return Ranked(
        trace_id=trace.id,
        time_to_glass_us=trace.root.duration_us,
        dominated_by=spent.most(summed),
        events=trace.root.attributes.get(names.REQUEST_EVENTS, 0),
        is_retro=is_retro(trace),
        is_failed=trace.root.is_failed,
        spent=summed,
    )
