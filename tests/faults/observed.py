"""What an observer finds of a run: in the topics, in the store, and whether all is at rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

# In the order of the flow.
TOPICS = ("events.raw", "events.normalized", "events.decorated")
GROUPS = {"normalize": TOPICS[0], "decorate": TOPICS[1], "sink": TOPICS[2]}
DEAD = tuple(f"{topic}.dlq" for topic in TOPICS)


class Copy(NamedTuple):
    """One event inside one record of one topic; `place` counts within the record."""

    partition: int
    offset: int
    place: int
    tenant: str
    event_id: str
    sha256: str


@dataclass(slots=True)
class Row:
    """One row of the table of events; times are µs since the epoch."""

    tenant: str
    event_id: str
    name: str
    value: float
    unit: str | None
    attributes: dict[str, Any]
    owner: str | None
    team: str | None
    region: str | None
    trace_id: str
    timestamp_us: int
    received_us: int
    stored_us: int


class Dead(NamedTuple):
    """One event among the dead letters of the store, or of a topic."""

    tenant: str
    event_id: str
    place: str


@dataclass(slots=True)
class Observed:
    """Everything that carries the mark of the run; copies by topic, in the order of the log."""

    rows: list[Row] = field(default_factory=list[Row])
    dead_rows: list[Dead] = field(default_factory=list[Dead])
    copies: dict[str, list[Copy]] = field(default_factory=dict[str, list[Copy]])
    # Sentences about what moves or waits although it should not.
    unrest: list[str] = field(default_factory=list[str])

    def dead_letters(self) -> list[Dead]:
        """Those of the store and those of the topics."""
        found = list(self.dead_rows)
        for topic in DEAD:
            found += [Dead(one.tenant, one.event_id, topic) for one in self.copies.get(topic, [])]
        return found
