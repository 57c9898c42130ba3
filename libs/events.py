"""What is on the wire: one type per topic, and the JSON codec.

A record carries a batch: `{"schema": 1, "origins": [...], "events": [...]}`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta

from libs.errors import Rejected
from libs.timestamps import Timestamp

Scalar = str | int | float | bool | None

# Within what PostgreSQL and a calendar hold: from 1970 up to the year 2100.
TIME_US_MAX = 4_102_444_800_000_000 - 1
_TimeUs = Annotated[int, Meta(ge=0, le=TIME_US_MAX)]
_Count = Annotated[int, Meta(ge=0, lt=1 << 31)]
# Version 00 of W3C trace context is always this long.
_Traceparent = Annotated[str, Meta(min_length=55, max_length=55)]

_SEPARATORS = re.compile(r"[\s._]+")
_NAMES_CACHED_MAX = 16_384


class Origin(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One HTTP request, or one part of it, inside a record.

    Its events are `events[first : first + count]`; `total` counts those of the whole request,
    `dead` those of this part that were dead-lettered on the way. `received_us` is µs since the
    epoch, `admitted_us` how long after that the door had read and checked the request. The last
    part of a request says so.
    """

    tenant: str
    received_us: _TimeUs
    first: _Count
    count: _Count
    total: _Count
    traceparent: _Traceparent
    tracestate: str = ""
    is_last: bool = True
    dead: _Count = 0
    admitted_us: _TimeUs = 0

    @property
    def trace_id(self) -> str:
        """The id of the request."""
        return self.traceparent[3:35]


class RawEvent(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """An event as the client sent it; a number as `timestamp` is seconds since the epoch."""

    event_id: str
    name: str
    value: float
    unit: str | None = None
    timestamp: Timestamp | None = None
    attributes: dict[str, Scalar] = {}


class NormalEvent(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """An event in base units; `timestamp` is RFC 3339 in UTC with six decimals and `Z`."""

    event_id: str
    name: str
    value: float
    timestamp: str
    unit: str | None = None
    attributes: dict[str, Scalar] = {}


class DecoratedEvent(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """An event with whom it concerns; `None` where the entity is not known."""

    event_id: str
    name: str
    value: float
    timestamp: str
    unit: str | None = None
    attributes: dict[str, Scalar] = {}
    owner: str | None = None
    team: str | None = None
    region: str | None = None


class RawBatch(msgspec.Struct, frozen=True, kw_only=True):
    """A record of `events.raw`."""

    schema: Literal[1] = 1
    origins: list[Origin]
    events: list[RawEvent]


class NormalBatch(msgspec.Struct, frozen=True, kw_only=True):
    """A record of `events.normalized`."""

    schema: Literal[1] = 1
    origins: list[Origin]
    events: list[NormalEvent]


class DecoratedBatch(msgspec.Struct, frozen=True, kw_only=True):
    """A record of `events.decorated`."""

    schema: Literal[1] = 1
    origins: list[Origin]
    events: list[DecoratedEvent]


Batch = TypeVar("Batch", RawBatch, NormalBatch, DecoratedBatch)


@dataclass(frozen=True, slots=True)
class Rejection:
    """One event that a stage cannot pass on; `index` is its place in the batch it came in."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Batch]):
    """What a stage made of a batch: what goes on (maybe nothing), and what is dead-lettered."""

    batch: Batch
    rejected: list[Rejection] = field(default_factory=list[Rejection])


_encoder = msgspec.json.Encoder()
_decoders: dict[type, msgspec.json.Decoder[object]] = {
    kind: msgspec.json.Decoder(kind) for kind in (RawBatch, NormalBatch, DecoratedBatch)
}


def decode(kind: type[Batch], value: bytes | None) -> Batch:
    """Read a record's value. Raises `Rejected` with what is wrong and where."""
    if not value:
        raise Rejected("the record has no value")
    try:
        batch = _decoders[kind].decode(value)
    except msgspec.ValidationError as error:
        raise Rejected(f"not a record of schema 1: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected(f"not JSON: {error}") from error
    assert isinstance(batch, kind)
    _check_origins(batch.origins, len(batch.events))
    return batch


def encode(batch: RawBatch | NormalBatch | DecoratedBatch) -> bytes:
    """Write a record's value."""
    return _encoder.encode(batch)


def encode_events(events: Sequence[msgspec.Struct]) -> bytes:
    """Write events as they stand in a record, without the brackets around them."""
    return _encoder.encode(events)[1:-1]


def assemble(origins: Sequence[Origin], encoded_events: Sequence[bytes]) -> bytes:
    """Write a record from events already encoded by `encode_events`."""
    head = b'{"schema":1,"origins":' + _encoder.encode(origins) + b',"events":['
    return head + b",".join(encoded_events) + b"]}"


def with_traceparents(batch: Batch, traceparents: Mapping[int, str]) -> Batch:
    """Give the origins at some places their next context; the events are shared, not copied."""
    if not traceparents:
        return batch
    origins = [
        msgspec.structs.replace(origin, traceparent=traceparents[place])
        if place in traceparents
        else origin
        for place, origin in enumerate(batch.origins)
    ]
    return msgspec.structs.replace(batch, origins=origins)


@lru_cache(maxsize=_NAMES_CACHED_MAX)
def canonical_name(name: str) -> str:
    """Give a name the form it is stored and looked up in; empty if it holds only separators.

    Lower case. A run of white space, `_` and `.` becomes one `.` if it holds one, else one `_`,
    and none at either end. `CPU Usage . user` becomes `cpu_usage.user`. Twice is as good as once.
    """
    return _SEPARATORS.sub(_separator, name.lower()).strip("._")


def drop(origins: Sequence[Origin], dead: Collection[int]) -> list[Origin]:
    """Take the events at the places `dead` out; an origin left without events is left out."""
    doomed = frozenset(dead)
    kept: list[Origin] = []
    first = 0
    for origin in origins:
        gone = sum(place in doomed for place in range(origin.first, origin.first + origin.count))
        count = origin.count - gone
        if count:
            kept.append(
                msgspec.structs.replace(origin, first=first, count=count, dead=origin.dead + gone)
            )
        first += count
    return kept


def without(batch: Batch, dead: Collection[int]) -> Batch:
    """Take the events at the places `dead` out of a batch; maybe none is left."""
    doomed = frozenset(dead)
    events = [event for place, event in enumerate(batch.events) if place not in doomed]
    return msgspec.structs.replace(batch, origins=drop(batch.origins, doomed), events=events)


def _separator(run: re.Match[str]) -> str:
    return "." if "." in run[0] else "_"


def _check_origins(origins: Sequence[Origin], events: int) -> None:
    first = 0
    for origin in origins:
        if origin.first != first or origin.count < 1:
            raise Rejected(f"origin at event {origin.first} does not follow event {first}")
        first += origin.count
    if first != events or not events:
        raise Rejected(f"the origins cover {first} of {events} events")
