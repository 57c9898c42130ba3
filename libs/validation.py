"""What an event must look like where it enters: at the door, or in a foreign producer's record.

What is valid is read once, with types. Only what is not is read again, to name all of it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Annotated, cast

import msgspec
from msgspec import Meta

from libs import timestamps
from libs.events import canonical_name
from libs.timestamps import YEARS, Timestamp

NAME_CHARS_MAX = 255
UNIT_CHARS_MAX = 64
ATTRIBUTES_MAX = 64
ATTRIBUTE_NAME_CHARS_MAX = 128
ATTRIBUTE_CHARS_MAX = 4_096

# The two ends of what the store takes as an integer.
_INT_MIN, _INT_MAX = -(1 << 63), (1 << 63) - 1
_UUID_CHARS = 36
_UUID_HYPHENS_AT = (8, 13, 18, 23)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_Text = Annotated[str, Meta(max_length=ATTRIBUTE_CHARS_MAX)]
_Int64 = Annotated[int, Meta(ge=_INT_MIN, le=_INT_MAX)]
_AttributeName = Annotated[str, Meta(min_length=1, max_length=ATTRIBUTE_NAME_CHARS_MAX)]


class SentEvent(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """One event as a client may send it; without an `event_id` the door gives it one."""

    name: Annotated[str, Meta(min_length=1, max_length=NAME_CHARS_MAX)]
    value: float
    event_id: Annotated[str, Meta(min_length=_UUID_CHARS, max_length=_UUID_CHARS)] | None = None
    unit: Annotated[str, Meta(max_length=UNIT_CHARS_MAX)] | None = None
    timestamp: Timestamp | None = None
    attributes: Annotated[
        dict[_AttributeName, _Text | _Int64 | float | bool | None],
        Meta(max_length=ATTRIBUTES_MAX),
    ] = {}


class Violation(msgspec.Struct, frozen=True):
    """One thing wrong with one event; `index` is the event's place in what was sent."""

    index: int
    field: str
    reason: str


def may_hold_controls(encoded: bytes) -> bool:
    """Say whether JSON can hold control characters at all: except for DEL they come escaped."""
    return b"\\" in encoded or b"\x7f" in encoded


def are_valid(events: Sequence[SentEvent], *, look_for_controls: bool) -> bool:
    """Check what the types of events read as `SentEvent` cannot say."""
    event_ids: list[str] = []
    for event in events:
        if event.event_id is not None:
            event_ids.append(event.event_id.lower())
        if isinstance(event.timestamp, datetime) and event.timestamp.year not in YEARS:
            return False
        # Most names begin with a letter, which settles it.
        if not event.name[0].isalnum() and not canonical_name(event.name):
            return False
        if look_for_controls and _holds_controls(event):
            return False
    return len(set(event_ids)) == len(event_ids) and _are_uuids(event_ids)


def violations(sent: Sequence[object]) -> Iterator[Violation]:
    """Find everything wrong with events that were read without types; nothing if they are valid."""
    first_with: dict[str, int] = {}
    for index, event in enumerate(sent):
        if not isinstance(event, dict):
            yield Violation(index, "", "must be an object")
            continue
        fields = cast("dict[str, object]", event)
        for field, reason in _reasons(fields):
            yield Violation(index, field, reason)
        event_id = fields.get("event_id")
        if isinstance(event_id, str):
            first = first_with.setdefault(event_id.lower(), index)
            if first != index:
                yield Violation(index, "event_id", f"is also the id of event {first}")


def _are_uuids(texts: Sequence[str]) -> bool:
    """Check texts of 36 characters all at once, which costs a quarter of a pattern for each."""
    text = "".join(texts)
    hyphens = "-" * len(texts)
    if any(text[at::_UUID_CHARS] != hyphens for at in _UUID_HYPHENS_AT):
        return False
    try:
        octets = bytes.fromhex(text.replace("-", ""))
    except ValueError:
        return False
    # White space would be skipped, and then be missing here.
    return len(octets) == 16 * len(texts)


def _holds_controls(event: SentEvent) -> bool:
    texts = [event.name, event.unit or "", *event.attributes]
    values = event.attributes.values()
    return any(_CONTROL.search(text) for text in texts) or any(
        "\0" in value for value in values if isinstance(value, str)
    )


def _reasons(fields: dict[str, object]) -> Iterator[tuple[str, str]]:
    for field, (is_required, check) in _CHECKS.items():
        if field in fields:
            reason = check(fields[field])
            if reason:
                yield field, reason
        elif is_required:
            yield field, "is missing"
    for field in fields.keys() - _CHECKS.keys():
        yield field[:ATTRIBUTE_NAME_CHARS_MAX], "is not a field of an event"
    attributes = fields.get("attributes")
    if isinstance(attributes, dict):
        yield from _attribute_reasons(cast("dict[str, object]", attributes))


def _check_event_id(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str) and len(value) == _UUID_CHARS and _are_uuids([value]):
        return ""
    return "must be a UUID such as 0190b5c8-6b7e-7c3a-9d3e-2f1a5b6c7d8e"


def _check_name(value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= NAME_CHARS_MAX:
        return f"must be text of 1 to {NAME_CHARS_MAX} characters"
    if _CONTROL.search(value):
        return "must not hold control characters"
    return "" if canonical_name(value) else "must hold more than separators"


def _check_value(value: object) -> str:
    return "" if _is_number(value) else "must be a number of at most 64 bits"


def _check_unit(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > UNIT_CHARS_MAX:
        return f"must be text of at most {UNIT_CHARS_MAX} characters"
    return "must not hold control characters" if _CONTROL.search(value) else ""


def _check_timestamp(value: object) -> str:
    if value is None:
        return ""
    try:
        timestamps.parse(value)
    except ValueError as error:
        return str(error)
    return ""


def _check_attributes(value: object) -> str:
    if not isinstance(value, dict):
        return "must be an object"
    count = len(cast("dict[str, object]", value))
    return "" if count <= ATTRIBUTES_MAX else f"must have at most {ATTRIBUTES_MAX}, not {count}"


_CHECKS: dict[str, tuple[bool, Callable[[object], str]]] = {
    "event_id": (False, _check_event_id),
    "name": (True, _check_name),
    "value": (True, _check_value),
    "unit": (False, _check_unit),
    "timestamp": (False, _check_timestamp),
    "attributes": (False, _check_attributes),
}


def _attribute_reasons(attributes: dict[str, object]) -> Iterator[tuple[str, str]]:
    for key, value in attributes.items():
        field = f"attributes.{key[:ATTRIBUTE_NAME_CHARS_MAX]}"
        if not 1 <= len(key) <= ATTRIBUTE_NAME_CHARS_MAX or _CONTROL.search(key):
            limit = ATTRIBUTE_NAME_CHARS_MAX
            yield field, f"its name must be 1 to {limit} characters, none of them control"
        reason = _check_scalar(value)
        if reason:
            yield field, reason


def _check_scalar(value: object) -> str:
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, str):
        if len(value) > ATTRIBUTE_CHARS_MAX:
            return f"must be text of at most {ATTRIBUTE_CHARS_MAX} characters"
        return "must not hold the character U+0000" if "\0" in value else ""
    if isinstance(value, int):
        is_small = _INT_MIN <= value <= _INT_MAX
        return "" if is_small else "must be an integer of at most 64 bits with sign"
    return "" if _is_number(value) else "must be text, a number of at most 64 bits, or a boolean"


def _is_number(value: object) -> bool:
    """Say whether a value is one of those that a 64-bit floating point number can be near."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
