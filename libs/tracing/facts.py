"""What a stage notes of its work, before it is a span or a measure of anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# Where a number has to stand and is not known.
UNKNOWN = -1

_MILLISECOND_US = 999

# Whether a record was handed out before: the store knows, a hop only where it cannot have been.
Redelivered = Literal["", "maybe", "yes"]


@dataclass(slots=True)
class Read:
    """How a record came into this stage; times in µs, 0 if not known, `sent_us` from its trail.

    `asked_us` and `fetched_us` are of the fetch that brought it.
    """

    topic: str
    partition: int
    offset: int
    group: str
    client_id: str
    sent_us: int
    appended_us: int
    polled_us: int
    started_us: int
    lag_records: int
    events: int
    origins: int
    attempt: int = 1
    asked_us: int = 0
    fetched_us: int = 0
    redelivered: Redelivered = ""


@dataclass(slots=True)
class Written:
    """How a record left this stage; where it is, is `UNKNOWN` when no ack came.

    `handed_us` is when its events were ready, `record_us` when the record that carries them was
    handed to the client, `drained_us` when it left the client's buffer; 0 if not known.
    """

    topic: str
    partition: int
    offset: int
    client_id: str
    handed_us: int
    acked_us: int
    events: int
    error_type: str = ""
    record_us: int = 0
    drained_us: int = 0


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing asked of the database, from when to when (µs); `error_type` if it failed."""

    name: str
    started_us: int
    ended_us: int
    error_type: str = ""


@dataclass(slots=True)
class Stored:
    """One transaction: what was asked of the database, tries that failed first, and its rows."""

    namespace: str
    table: str
    rows: int
    operations: list[Operation]

    @property
    def committed_us(self) -> int:
        """When the last of it, the COMMIT, was acknowledged."""
        return self.operations[-1].ended_us


def queued_us(read: Read) -> int:
    """When the wait began: when the broker appended the record, which it counts in milliseconds.

    Within that millisecond the hand-over is the better answer; it cannot have been later.
    """
    latest_us = read.appended_us + _MILLISECOND_US
    return min(max(min(read.sent_us, latest_us), read.appended_us), read.started_us)


def clock_skew_us(read: Read) -> int:
    """By how much the clocks of writer, broker and reader disagree at least; mostly 0.

    Nothing is appended before it was handed over, and nothing read before it was appended.
    """
    writer_ahead_us = read.sent_us - (read.appended_us + _MILLISECOND_US)
    reader_behind_us = read.appended_us - read.started_us
    return max(writer_ahead_us, reader_behind_us, 0)


def queue_parts(read: Read) -> dict[str, float]:
    """Split the wait for a record into `log`, `fetch`, `prefetch`, `slot`; nothing if unknown."""
    if not read.fetched_us:
        return {}
    return _split(
        queued_us(read),
        ("log", read.asked_us),
        ("fetch", read.fetched_us),
        ("prefetch", read.polled_us),
        ("slot", read.started_us),
    )


def send_parts(written: Written) -> dict[str, float]:
    """Split a send into `aggregate`, `buffer` and `ack`; nothing if that is not known."""
    if not written.drained_us:
        return {}
    return _split(
        written.handed_us,
        ("aggregate", written.record_us),
        ("buffer", written.drained_us),
        ("ack", written.acked_us),
    )


def _split(begin_us: int, *parts: tuple[str, int]) -> dict[str, float]:
    """Split the time from a moment on, in seconds, by the moments at which its parts end.

    Each part begins where the one before it ends, and none is negative, whatever the clocks say.
    """
    end_us = max(parts[-1][1], begin_us)
    found: dict[str, float] = {}
    reached_us = begin_us
    for name, moment_us in parts:
        ends_us = min(max(moment_us, reached_us), end_us)
        found[name] = (ends_us - reached_us) / 1e6
        reached_us = ends_us
    return found
