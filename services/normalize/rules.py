"""Gives every event one form: base units, canonical names, times in UTC, attributes in limits."""

from __future__ import annotations

import math
from datetime import datetime
from functools import lru_cache

from libs import timestamps
from libs.errors import Rejected
from libs.events import (
    NormalBatch,
    NormalEvent,
    Origin,
    Outcome,
    RawBatch,
    RawEvent,
    Rejection,
    Scalar,
    canonical_name,
    drop,
)
from services.normalize.units import conversion

ATTRIBUTES_MAX = 64
# Longer text is cut, and the event says in how many of its attributes.
TEXT_CHARS_MAX = 1_024
CUT = "ttg.cut"
_KEYS_CACHED_MAX = 4_096


def normalize(batch: RawBatch) -> Outcome[NormalBatch]:
    """Normalize each event; those that cannot be are taken out of the batch and named."""
    events: list[NormalEvent] = []
    rejected: list[Rejection] = []
    for origin in batch.origins:
        received_at = timestamps.from_us(origin.received_us)
        for index in range(origin.first, origin.first + origin.count):
            try:
                events.append(_normal(batch.events[index], received_at))
            except Rejected as error:
                rejected.append(Rejection(index, error.reason))
    return Outcome(NormalBatch(origins=_left(batch, rejected), events=events), rejected)


def _left(batch: RawBatch, rejected: list[Rejection]) -> list[Origin]:
    if not rejected:
        return batch.origins
    return drop(batch.origins, [rejection.index for rejection in rejected])


def _normal(event: RawEvent, received_at: str) -> NormalEvent:
    name = canonical_name(event.name)
    if not name:
        raise Rejected(f"the name {event.name!r} holds only separators")
    value, unit = _in_base_unit(event.value, event.unit)
    return NormalEvent(
        event.event_id,
        name,
        value,
        _timestamp(event, received_at),
        unit,
        _attributes(event.attributes) if event.attributes else {},
    )


def _in_base_unit(value: float, unit: str | None) -> tuple[float, str | None]:
    if not unit or unit.isspace():
        return value, None
    to_base = conversion(unit)
    converted = to_base.apply(value)
    if not math.isfinite(converted):
        raise Rejected(f"{value!r} {unit[:64]} is too large for a number of {to_base.base[:64]}")
    return converted, to_base.base


def _timestamp(event: RawEvent, received_at: str) -> str:
    time = event.timestamp
    if time is None:
        return received_at
    if isinstance(time, datetime) and time.year not in timestamps.YEARS:
        raise Rejected(f"the timestamp {time} lies outside of the years 1970 to 2099")
    return timestamps.written(time)


def _attributes(attributes: dict[str, Scalar]) -> dict[str, Scalar]:
    """Trim names, and cut text that is too long; most attributes need neither."""
    if len(attributes) > ATTRIBUTES_MAX and len(attributes.keys() - {CUT}) > ATTRIBUTES_MAX:
        raise Rejected(f"the event has {len(attributes)} attributes, the limit is {ATTRIBUTES_MAX}")
    if not _are_trimmed(tuple(attributes)):
        attributes = _trimmed(attributes)
    for value in attributes.values():
        if isinstance(value, str) and len(value) > TEXT_CHARS_MAX:
            return _shortened(attributes)
    return attributes


@lru_cache(maxsize=_KEYS_CACHED_MAX)
def _are_trimmed(keys: tuple[str, ...]) -> bool:
    """Say so of the names of one event's attributes, which come again and again."""
    return all(key == key.strip() for key in keys)


def _trimmed(attributes: dict[str, Scalar]) -> dict[str, Scalar]:
    """Trim names, but not where nothing or another attribute's name would be left."""
    trimmed: dict[str, Scalar] = {}
    for key, value in attributes.items():
        short = key.strip()
        is_free = short not in attributes and short not in trimmed
        trimmed[short if short and is_free else key] = value
    return trimmed


def _shortened(attributes: dict[str, Scalar]) -> dict[str, Scalar]:
    cut = 0
    shortened: dict[str, Scalar] = {}
    for key, value in attributes.items():
        is_long = isinstance(value, str) and len(value) > TEXT_CHARS_MAX
        cut += is_long
        shortened[key] = value[:TEXT_CHARS_MAX] if isinstance(value, str) else value
    return {**shortened, CUT: cut} if cut else shortened
