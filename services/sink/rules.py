"""Which row an event becomes, and what a request's events came to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from libs.events import DecoratedBatch

_encoder = msgspec.json.Encoder()


class Row(NamedTuple):
    """One event as it is copied; `origin` numbers the requests of a transaction."""

    origin: int
    tenant: str
    event_id: str
    name: str
    value: float
    unit: str | None
    timestamp: str
    attributes: str
    owner: str | None
    team: str | None
    region: str | None
    trace_id: str
    received_us: int


class Counts(NamedTuple):
    """What became of one origin's events in a transaction."""

    stored: int
    delivered_again: int
    already_there: int

    @property
    def is_repeat(self) -> bool:
        """Whether an earlier copy of the same record has stored all of it that is its own."""
        return self.delivered_again > 0 and not self.stored


def rows(batches: Sequence[DecoratedBatch]) -> list[Row]:
    """Make the rows of one transaction; origins are numbered on through its batches."""
    numbered = enumerate((batch, origin) for batch in batches for origin in batch.origins)
    return [
        Row(
            origin=number,
            tenant=origin.tenant,
            event_id=event.event_id,
            name=event.name,
            value=event.value,
            unit=event.unit,
            timestamp=event.timestamp,
            attributes=_encoder.encode(event.attributes).decode(),
            owner=event.owner,
            team=event.team,
            region=event.region,
            trace_id=origin.trace_id,
            received_us=origin.received_us,
        )
        for number, (batch, origin) in numbered
        for event in batch.events[origin.first : origin.first + origin.count]
    ]
