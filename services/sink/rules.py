"""Which row an event becomes, and what a request's events came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from libs.events import DecoratedBatch

_encoder = msgspec.json.Encoder()


class Row(NamedTuple):
    """One event as it is copied; `origin` is the place of its request in the transaction."""

    origin: int
    event_id: str
    name: str
    value: float
    unit: str | None
    timestamp: str
    attributes: str
    owner: str | None
    team: str | None
    region: str | None


class Request(NamedTuple):
    """What the rows of one origin share."""

    tenant: str
    trace_id: str
    received_us: int


@dataclass(frozen=True, slots=True)
class Incoming:
    """What one transaction stores: rows, and the requests that they are of."""

    requests: Sequence[Request] = ()
    rows: Sequence[Row] = ()


class Counts(NamedTuple):
    """What became of one origin's events in a transaction."""

    stored: int
    delivered_again: int
    already_there: int

    @property
    def is_repeat(self) -> bool:
        """Whether an earlier copy of the same record has stored all of it that is its own."""
        return self.delivered_again > 0 and not self.stored


def incoming(batches: Sequence[DecoratedBatch]) -> Incoming:
    """Make the rows of one transaction; origins are numbered on through its batches."""
    requests: list[Request] = []
    rows: list[Row] = []
    for batch in batches:
        for origin in batch.origins:
            number = len(requests)
            requests.append(Request(origin.tenant, origin.trace_id, origin.received_us))
            # By place: by name a row takes twice as long to make as all the rest of its way.
            rows += [
                Row(
                    number,
                    event.event_id,
                    event.name,
                    event.value,
                    event.unit,
                    event.timestamp,
                    _encoder.encode(event.attributes).decode(),
                    event.owner,
                    event.team,
                    event.region,
                )
                for event in batch.events[origin.first : origin.first + origin.count]
            ]
    return Incoming(requests, rows)
