"""Points in time as text: what clients send, and the one form in which the pipeline keeps them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - naive on purpose: only ever shifted by UTC durations.
_FIRST = "1970-01-01T00:00:00.000000Z"
_PAST_LAST = "2100-01-01T00:00:00.000000Z"
_PAST_LAST_S = 4_102_444_800

_KEPT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9]\.[0-9]{6}Z")
_RFC_3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}):([0-9]{2})(\.[0-9]+)?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def canonical(sent: str | float) -> str:
    """Bring a time to UTC with six decimals and `Z`; further decimals are cut off.

    Takes RFC 3339 with a zone, or seconds since the epoch. A leap second counts as the second
    after it. Raises `ValueError` with a sentence.
    """
    text = _from_text(sent) if isinstance(sent, str) else _from_number(sent)
    if not _FIRST <= text < _PAST_LAST:
        raise ValueError("a time lies between the years 1970 and 2099")
    return text


def from_us(us: int) -> str:
    """Write microseconds since the epoch in the form in which the pipeline keeps times."""
    return _written(_EPOCH + timedelta(microseconds=us))


def _written(time: datetime) -> str:
    return time.isoformat(timespec="microseconds") + "Z"


def _from_number(sent: float) -> str:
    if not 0 <= sent < _PAST_LAST_S:
        raise ValueError(f"a number is seconds since 1970, below {_PAST_LAST_S}, not {sent!r}")
    return from_us(round(sent * 1_000_000))


def _from_text(sent: str) -> str:
    if _KEPT.fullmatch(sent):
        datetime.fromisoformat(sent)
        return sent
    match = _RFC_3339.fullmatch(sent)
    if match is None:
        raise ValueError("a time is RFC 3339 with a zone, such as 2026-01-31T12:00:00Z")
    day, minute, second, fraction, zone = match.groups()
    is_leap = second == "60"
    text = f"{day}T{minute}:{'59' if is_leap else second}{fraction or ''}{zone.upper()}"
    try:
        time = datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)
    except OverflowError as error:
        raise ValueError("a time lies between the years 1970 and 2099") from error
    if is_leap:
        if (time.hour, time.minute) != (23, 59):
            raise ValueError("a second 60 stands only at 23:59 in UTC")
        time += timedelta(seconds=1)
    return _written(time)
