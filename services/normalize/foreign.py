"""Records that somebody else's producer wrote into `events.raw`: no origins, maybe no ids."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import cast
from uuid import UUID, uuid5

import msgspec

from libs import validation
from libs.errors import Rejected
from libs.events import TIME_US_MAX, Origin, RawBatch, RawEvent, decode
from libs.validation import SentEvent

TENANT = "default"

# Ids are made from the position of the record: the same record read again has the same ids.
_NAMESPACE = UUID("6f1d3c1e-5a0b-5c53-9d0a-3f0c8f3f7a42")
_REASONS_MAX = 3

_untyped = msgspec.json.Decoder(float_hook=float)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a record stands, when the log took it (µs), and its context if it is valid."""

    topic: str
    partition: int
    offset: int
    appended_us: int
    traceparent: str = ""
    tracestate: str = ""


def decode_raw(value: bytes | None, position: Position) -> RawBatch:
    """Read a record of `events.raw`, our own or a foreign one. Raises `Rejected`.

    A foreign record holds one event, a list of events, or `{"events": [...]}`.
    """
    try:
        return decode(RawBatch, value)
    except Rejected:
        sent = _foreign_events(value)
        if sent is None:
            raise
    return _adopt(sent, position)


def _foreign_events(value: bytes | None) -> list[object] | None:
    """Find the events of a foreign record; `None` if it is not one."""
    try:
        record = _untyped.decode(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if isinstance(record, list):
        return cast("list[object]", record)
    if not isinstance(record, dict) or "origins" in record:
        return None
    fields = cast("dict[str, object]", record)
    if "events" not in fields:
        return [fields]
    events = fields["events"]
    is_ours = isinstance(events, list) and fields.get("schema", 1) == 1
    return cast("list[object]", events) if is_ours else None


def _adopt(sent: list[object], position: Position) -> RawBatch:
    if not sent:
        raise Rejected("the record holds no events")
    found = [
        f"event {violation.index} {violation.field} {violation.reason}"
        for violation in islice(validation.violations(sent), _REASONS_MAX)
    ]
    if found:
        raise Rejected("not events: " + "; ".join(found))
    events = [
        _raw(event, _id(position, index))
        for index, event in enumerate(msgspec.convert(sent, list[SentEvent]))
    ]
    return RawBatch(origins=[_origin(position, len(events))], events=events)


def _raw(event: SentEvent, new_id: str) -> RawEvent:
    event_id = event.event_id.lower() if event.event_id is not None else new_id
    return RawEvent(
        event_id, event.name, event.value, event.unit, event.timestamp, {**event.attributes}
    )


def _origin(position: Position, count: int) -> Origin:
    return Origin(
        tenant=TENANT,
        # A foreign topic may keep the producers' own times, whatever these are.
        received_us=min(max(position.appended_us, 0), TIME_US_MAX),
        first=0,
        count=count,
        total=count,
        traceparent=position.traceparent or _new_traceparent(position),
        tracestate=position.tracestate,
    )


def _new_traceparent(position: Position) -> str:
    """Give a record without a context ids of its own, not sampled: the id of its request."""
    return f"00-{UUID(_id(position, -1)).hex}-{UUID(_id(position, -2)).hex[:16]}-00"


def _id(position: Position, index: int) -> str:
    # With the time, because a topic that is made anew counts its offsets from 0 again.
    where = f"{position.topic}-{position.partition}-{position.offset}-{position.appended_us}"
    return str(uuid5(_NAMESPACE, f"{where}-{index}"))
