"""What a request must look like: a body becomes events, or the list of all that is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import cast

import msgspec

from libs import validation
from libs.validation import SentEvent, Violation

JSON = "application/json"
NDJSON = "application/x-ndjson"
VIOLATIONS_LISTED_MAX = 100

_one = msgspec.json.Decoder(SentEvent)
_many = msgspec.json.Decoder(list[SentEvent])
# A number beyond 64-bit floating point becomes infinite here, to be named with its event.
_untyped = msgspec.json.Decoder(float_hook=float)
_BYTE = re.compile(r"\(byte (\d+)\)")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Malformed(Exception):
    """The body cannot be read at all."""


class TooMany(Exception):
    """The body holds more events than a request may."""


class Unsupported(Exception):
    """The body is of a type that is not read here."""


class Violations(Exception):
    """Some events break the rules; `total` also counts those that are not listed."""

    def __init__(self, found: Sequence[Violation]) -> None:
        super().__init__(f"{len(found)} violations")
        self.listed = found[:VIOLATIONS_LISTED_MAX]
        self.total = len(found)


def parse(
    body: bytes, content_type: str, new_event_id: Callable[[], str], events_max: int
) -> list[SentEvent]:
    """Read a body: one event, a list of events, or one event a line; maybe none.

    Each event has its id then. Of a key that stands twice in an object the last one counts.
    Raises `Unsupported`, `Malformed`, `TooMany`, or `Violations` with everything that is wrong.
    """
    is_lines = _is_lines(content_type)
    if not body.strip():
        raise Malformed("the body is empty")
    events = _read_typed(body, is_lines=is_lines)
    if events is None:
        raise Violations(_find_violations(body, events_max, is_lines=is_lines))
    _check_count(events, events_max)
    for event in events:
        event.event_id = new_event_id() if event.event_id is None else event.event_id.lower()
    return events


def _is_lines(content_type: str) -> bool:
    kind, *parameters = (part.strip().lower() for part in content_type.split(";"))
    charsets = [p.removeprefix("charset=").strip('"') for p in parameters if "charset=" in p]
    if kind not in (JSON, NDJSON) or any(charset != "utf-8" for charset in charsets):
        raise Unsupported(f"the content type must be {JSON} or {NDJSON}, in UTF-8")
    return kind == NDJSON


def _read_typed(body: bytes, *, is_lines: bool) -> list[SentEvent] | None:
    """Read valid events the quick way; `None` if anything about them is wrong."""
    try:
        if is_lines:
            events = _one.decode_lines(body)
        elif body.lstrip()[:1] == b"{":
            events = [_one.decode(body)]
        else:
            events = _many.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    look = validation.may_hold_controls(body)
    return events if validation.are_valid(events, look_for_controls=look) else None


def _check_count(events: Sequence[object], events_max: int) -> None:
    if len(events) > events_max:
        raise TooMany(f"{len(events)} events, the limit is {events_max} a request")


def _find_violations(body: bytes, events_max: int, *, is_lines: bool) -> list[Violation]:
    try:
        sent = _untyped.decode_lines(body) if is_lines else _untyped.decode(body)
        if not isinstance(sent, dict | list):
            raise Malformed("the body must be an event, or a list of events")
        events = cast("list[object]", sent if isinstance(sent, list) else [sent])
        # Before each of them is looked at, which takes its time.
        _check_count(events, events_max)
        found = list(validation.violations(events))
    except RecursionError as error:
        raise Malformed("the body is nested too deeply") from error
    except UnicodeDecodeError as error:
        raise Malformed("the body is not UTF-8") from error
    except msgspec.DecodeError as error:
        raise Malformed(_explain(str(error), body, is_lines=is_lines)) from error
    # The two ways of reading agree, as the tests show; should they not, nothing passes.
    return found or [Violation(0, "", "is not an event")]


def _explain(error: str, body: bytes, *, is_lines: bool) -> str:
    if body.startswith(_BYTE_ORDER_MARK):
        return "the body begins with a byte order mark; send UTF-8 without one"
    byte = _BYTE.search(error)
    if is_lines and byte is not None:
        line = body.count(b"\n", 0, int(byte[1])) + 1
        return f"line {line} is not JSON: {error}"
    return f"the body is not JSON: {error}"
