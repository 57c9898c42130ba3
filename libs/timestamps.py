"""Points in time as text, in the one form that the pipeline keeps: UTC, microseconds, `Z`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated

import msgspec
from msgspec import Meta

# What a client may send: RFC 3339 with a zone (decimals beyond the sixth are rounded, a leap
# second is refused as it is in most languages), or seconds since the epoch, before 2100.
Timestamp = Annotated[datetime, Meta(tz=True)] | Annotated[float, Meta(ge=0, lt=4_102_444_800)]
YEARS = range(1970, 2100)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WHOLE_SECOND_CHARS = len("1970-01-01T00:00:00Z")


def parse(sent: object) -> datetime | float:
    """Read what a client sent as a time. Raises `ValueError` with a sentence."""
    try:
        time = msgspec.convert(sent, Timestamp)
    except msgspec.ValidationError as error:
        raise ValueError(
            "must be RFC 3339 with a zone, such as 2026-01-31T12:00:00Z,"
            " or seconds since 1970 and before 2100"
        ) from error
    if isinstance(time, datetime) and time.year not in YEARS:
        raise ValueError(f"must lie in the years {YEARS[0]} to {YEARS[-1]}")
    return time


def written(time: datetime | float) -> str:
    """Write a time that is within bounds; a number is seconds since the epoch."""
    if not isinstance(time, datetime):
        return from_us(round(time * 1_000_000))
    utc = time if time.tzinfo is UTC else time.astimezone(UTC)
    # A tenth of what `isoformat` takes; it leaves decimals out where they are all zero.
    text: str = msgspec.to_builtins(utc)
    return text if len(text) > _WHOLE_SECOND_CHARS else f"{text[:-1]}.000000Z"


def from_us(us: int) -> str:
    """Write microseconds since the epoch."""
    second, micros = divmod(us, 1_000_000)
    return f"{_up_to_second(second)}.{micros:06d}Z"


# Events of one moment are mostly of one second, and of few in a backlog.
@lru_cache(maxsize=4_096)
def _up_to_second(second: int) -> str:
    return (_EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S")
