"""What the time of a trace went to, by kind and stage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from services.topology import PIPELINE
from tools.trace.critical import KINDS, Kind, Section

# The stages of the pipeline in the order of the flow; what no stage explains comes last.
_STAGES = [*(hop.stage for hop in PIPELINE), ""]


@dataclass(frozen=True, slots=True)
class Spent:
    """What one stage spent on one kind of thing, with its parts in the order of time."""

    kind: Kind
    stage: str
    duration_us: int
    parts: dict[str, int]

    @property
    def name(self) -> str:
        """Kind and stage in words."""
        return f"{self.kind} {self.stage}".rstrip()


def by_stage(path: Iterable[Section]) -> list[Spent]:
    """Add a critical path up: by kind, and within a kind along the pipeline; none is empty."""
    parts: dict[tuple[Kind, str], Counter[str]] = {}
    for section in path:
        spent = parts.setdefault((section.kind, section.stage), Counter())
        spent[section.part] += section.duration_us
    found = [
        Spent(kind, stage, durations_us.total(), dict(durations_us))
        for (kind, stage), durations_us in parts.items()
    ]
    return sorted(found, key=_place)


def most(spent: Iterable[Spent]) -> Spent:
    """Find what took most; there must be something."""
    return max(spent, key=lambda one: one.duration_us)


def _place(spent: Spent) -> tuple[int, int]:
    return KINDS.index(spent.kind), _STAGES.index(spent.stage)
