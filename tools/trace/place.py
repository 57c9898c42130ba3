"""Where in the pipeline a span belongs: by its service and name, whatever its parent is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from libs.tracing import names
from services.topology import INGEST, PIPELINE, SINK
from tools.trace.jaeger import Span

# A stage works at the door or on a record; what it sends and stores is inside its work.
Role = Literal["door", "send", "queue", "process", "store"]

STORE_PARTS = (names.CONNECT, names.COPY, names.INSERT, names.COMMIT)


@dataclass(frozen=True, slots=True)
class Place:
    """A span at its place; `rank` counts the places on the way from the door to the store.

    What happened right before it has the rank before it.
    """

    span: Span
    role: Role
    rank: int

    @property
    def is_work(self) -> bool:
        """Whether it is all of what a stage did, with what it sent and stored."""
        return self.role in ("door", "process")

    @property
    def is_inside_work(self) -> bool:
        """Whether it is part of what a stage did."""
        return self.role in ("send", "store")

    @property
    def position(self) -> tuple[object, object]:
        """Partition and offset of its record, `None` where they are not known."""
        attributes = self.span.attributes
        return attributes.get(names.MESSAGING_PARTITION), attributes.get(names.MESSAGING_OFFSET)


def of(span: Span) -> Place | None:
    """Find the place of a span; the root has none, nor has a span of a foreign neighbour."""
    if span.service == SINK.stage and span.name.partition(" ")[0] in STORE_PARTS:
        return Place(span, "store", _STORE_RANK)
    found = _PLACES.get((span.service, span.name))
    return Place(span, *found) if found else None


def _places() -> dict[tuple[str, str], tuple[Role, int]]:
    along: list[tuple[str, str, Role]] = [(INGEST.stage, names.SERVER, "door")]
    for hop in PIPELINE:
        if hop.reads:
            along.append((hop.stage, names.QUEUE.format(topic=hop.reads), "queue"))
            along.append((hop.stage, names.PROCESS.format(topic=hop.reads), "process"))
        if hop.writes:
            along.append((hop.stage, names.SEND.format(topic=hop.writes), "send"))
    return {(stage, name): (role, rank) for rank, (stage, name, role) in enumerate(along)}


_PLACES = _places()
_STORE_RANK = len(_PLACES)
