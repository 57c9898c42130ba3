"""The account of a run: every row of it in the store, held against what the door said."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hdrh.histogram import HdrHistogram

from tools.load.plan import Plan
from tools.load.sender import Outcome, histogram, note

_LISTED_MAX = 10


@dataclass(slots=True)
class Found:
    """What the store holds of a run."""

    missing: int = 0
    doubled: int = 0
    stored_of_unknown: int = 0
    # Rows of requests that were refused or never sent, or with an id that is not of the run.
    foreign: int = 0
    # Some of those that are missing.
    missing_ids: list[str] = field(default_factory=list[str])
    time_to_glass_us: HdrHistogram = field(default_factory=histogram)
    slowest_trace_id: str = ""
    slowest_us: int = 0


class Account:
    """Sees each row once, in any order, and then sums up."""

    def __init__(self, plan: Plan, outcome: Outcome) -> None:
        self._plan = plan
        self._outcome = outcome
        self._expected = {*outcome.accepted, *outcome.unknown}
        # How often each event of the plan is there: 2 is twice or more.
        self._seen = bytearray(plan.events)
        self._found = Found()

    def see(self, event_id: uuid.UUID, trace_id: str, taken_us: int) -> None:
        """Count a row; `taken_us` is from its receipt to its commit."""
        found, number = self._found, self._plan.number(event_id)
        if number // self._plan.batch not in self._expected:
            found.foreign += 1
            return
        self._seen[number] = min(self._seen[number] + 1, 2)
        note(found.time_to_glass_us, taken_us)
        if taken_us > found.slowest_us and trace_id in self._outcome.sampled:
            found.slowest_us, found.slowest_trace_id = taken_us, trace_id

    def sum_up(self) -> Found:
        """Return what was found of the run, after the last row."""
        found = self._found
        found.doubled = self._seen.count(2)
        for number in self._events_of(self._outcome.accepted):
            if not self._seen[number]:
                found.missing += 1
                if len(found.missing_ids) < _LISTED_MAX:
                    found.missing_ids.append(self._plan.event_id(number))
        found.stored_of_unknown = sum(
            self._seen[number] > 0 for number in self._events_of(self._outcome.unknown)
        )
        return found

    def _events_of(self, requests: Sequence[int]) -> Iterator[int]:
        batch = self._plan.batch
        for request in requests:
            yield from range(request * batch, (request + 1) * batch)
