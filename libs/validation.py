"""What an event must look like where it enters: at the door, or in a foreign producer's record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, cast

import msgspec
from msgspec import Meta

NAME_CHARS_MAX = 255
UNIT_CHARS_MAX = 64
ATTRIBUTES_MAX = 64
ATTRIBUTE_NAME_CHARS_MAX = 128
ATTRIBUTE_CHARS_MAX = 4_096

_EPOCH_MAX_S = 4_102_444_800
_TIMES = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
_NO_CONTROLS = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$"
_UUID = r"^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$"

_Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_Text = Annotated[str, Meta(max_length=ATTRIBUTE_CHARS_MAX)]
_AttributeName = Annotated[
    str, Meta(min_length=1, max_length=ATTRIBUTE_NAME_CHARS_MAX, pattern=_NO_CONTROLS)
]


class SentEvent(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """One event as a client may send it; without an `event_id` the door gives it one."""

    name: Annotated[str, Meta(min_length=1, max_length=NAME_CHARS_MAX, pattern=_NO_CONTROLS)]
    value: float
    event_id: Annotated[str, Meta(pattern=_UUID)] | None = None
    unit: Annotated[str, Meta(max_length=UNIT_CHARS_MAX, pattern=_NO_CONTROLS)] | None = None
    # With a zone; a number is seconds since the epoch.
    timestamp: (
        Annotated[datetime, Meta(tz=True)] | Annotated[float, Meta(ge=0, lt=_EPOCH_MAX_S)] | None
    ) = None
    attributes: Annotated[
        dict[_AttributeName, _Text | _Int64 | float | bool | None],
        Meta(max_length=ATTRIBUTES_MAX),
    ] = {}


class Violation(msgspec.Struct, frozen=True):
    """One thing wrong with one event; `index` is the event's place in what was sent."""

    index: int
    field: str
    reason: str


_FIELDS = {field.name: field for field in msgspec.structs.fields(SentEvent)}
_REASONS = {
    _NO_CONTROLS: "must be text without control characters, and not blank",
    _UUID: "must be a UUID such as 0190b5c8-6b7e-7c3a-9d3e-2f1a5b6c7d8e",
}


def extra_violations(events: Sequence[SentEvent]) -> list[Violation]:
    """Find what the types cannot say: times out of range, an id that is there twice."""
    found: list[Violation] = []
    first_at: dict[str, int] = {}
    for index, event in enumerate(events):
        if isinstance(event.timestamp, datetime) and not _TIMES[0] <= event.timestamp < _TIMES[1]:
            found.append(Violation(index, "timestamp", "must lie between 1970 and 2100"))
        if event.event_id is not None:
            event.event_id = event.event_id.lower()
            first = first_at.setdefault(event.event_id, index)
            if first != index:
                found.append(Violation(index, "event_id", f"is also the id of event {first}"))
    return found


def violations_of(index: int, sent: object) -> list[Violation]:
    """Find everything wrong with one event that was decoded without types."""
    if not isinstance(sent, dict):
        return [Violation(index, "", f"must be an object, not {type(sent).__name__}")]
    fields = cast("dict[str, Any]", sent)
    unknown = [
        Violation(index, name, "is not a field of an event") for name in fields.keys() - _FIELDS
    ]
    missing = [
        Violation(index, name, "is missing")
        for name, field in _FIELDS.items()
        if field.required and name not in fields
    ]
    wrong = [
        Violation(index, name, reason)
        for name, field in _FIELDS.items()
        if name in fields and (reason := _reason(name, fields[name], field.type))
    ]
    return [*missing, *wrong, *unknown]


def _reason(name: str, value: object, kind: Any) -> str:
    """Say why a value does not fit a field; empty if it does."""
    if _has_nul(value):
        return "must not contain the character U+0000"
    if name == "attributes" and isinstance(value, dict):
        return _attribute_reason(cast("dict[str, Any]", value), kind)
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        return _plain(error)
    return ""


def _attribute_reason(attributes: dict[str, Any], kind: Any) -> str:
    """As `_reason`, naming the attribute at fault."""
    for key, value in attributes.items():
        try:
            msgspec.convert({key: value}, kind)
        except msgspec.ValidationError as error:
            return f"{key[:ATTRIBUTE_NAME_CHARS_MAX]!r}: {_plain(error)}"
    if len(attributes) > ATTRIBUTES_MAX:
        return f"has {len(attributes)} attributes, the limit is {ATTRIBUTES_MAX}"
    return ""


def _has_nul(value: object) -> bool:
    return "\\u0000" in msgspec.json.encode(value).decode()


def _plain(error: msgspec.ValidationError) -> str:
    text = str(error).split(" - at `")[0]
    for pattern, reason in _REASONS.items():
        if pattern in text:
            return reason
    return text[:1].lower() + text[1:]
