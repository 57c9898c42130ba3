"""What a request must look like: a body becomes events, or the list of all that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import msgspec

from libs.validation import SentEvent, Violation, extra_violations, violations_of

JSON = "application/json"
NDJSON = "application/x-ndjson"
VIOLATIONS_LISTED_MAX = 100

_one = msgspec.json.Decoder(SentEvent)
_many = msgspec.json.Decoder(list[SentEvent])
_untyped = msgspec.json.Decoder()
# PostgreSQL has no such character, and JSON can only write it like this.
_NUL = b"\\u0000"


class Malformed(Exception):
    """The body cannot be read at all."""


class Unsupported(Exception):
    """The body is of a type that is not read here."""


class Violations(Exception):
    """Some events break the rules; `total` also counts those that are not listed."""

    def __init__(self, found: Sequence[Violation]) -> None:
        super().__init__(f"{len(found)} violations")
        self.listed = found[:VIOLATIONS_LISTED_MAX]
        self.total = len(found)


def parse(body: bytes, content_type: str, new_event_id: Callable[[], str]) -> list[SentEvent]:
    """Read a body: one event, a list of events, or one event a line.

    Raises `Unsupported`, `Malformed`, or `Violations` with everything that is wrong.
    """
    is_lines = _is_lines(content_type)
    try:
        events = _decode(body, is_lines=is_lines)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"the body is not JSON: {error}") from error
    if found := extra_violations(events):
        raise Violations(found)
    for event in events:
        if event.event_id is None:
            event.event_id = new_event_id()
    return events


def _is_lines(content_type: str) -> bool:
    kind, *parameters = (part.strip().lower() for part in content_type.split(";"))
    charsets = [p.removeprefix("charset=").strip('"') for p in parameters if "charset=" in p]
    if kind not in (JSON, NDJSON) or any(charset != "utf-8" for charset in charsets):
        raise Unsupported(f"the content type must be {JSON} or {NDJSON}, in UTF-8")
    return kind == NDJSON


def _decode(body: bytes, *, is_lines: bool) -> list[SentEvent]:
    if _NUL not in body:
        try:
            return _decode_typed(body, is_lines=is_lines)
        except msgspec.ValidationError:
            pass
    # Something is wrong, or may be: read it again without types to name all of it.
    sent = _decode_untyped(body, is_lines=is_lines)
    if found := [v for index, event in enumerate(sent) for v in violations_of(index, event)]:
        raise Violations(found)
    return msgspec.convert(sent, list[SentEvent])


def _decode_typed(body: bytes, *, is_lines: bool) -> list[SentEvent]:
    if is_lines:
        return _one.decode_lines(body)
    if body.lstrip()[:1] == b"{":
        return [_one.decode(body)]
    return _many.decode(body)


def _decode_untyped(body: bytes, *, is_lines: bool) -> list[object]:
    if is_lines:
        return _untyped.decode_lines(body)
    sent = _untyped.decode(body)
    if isinstance(sent, dict):
        return [sent]
    if not isinstance(sent, list):
        raise Malformed("the body must be an event, or a list of events")
    return cast("list[object]", sent)
