"""One dead letter, wherever it is kept, and what can be read of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from libs import tracing
from libs.errors import Rejected
from libs.events import DecoratedBatch, NormalBatch, Origin, RawBatch, decode
from libs.kafka import Headers, Record
from libs.stage import letter_headers
from libs.tracing import names
from services.normalize.foreign import Position, decode_raw
from services.topology import DEAD_LETTER_SUFFIX, DECORATE, NORMALIZE, SINK

AnyBatch = RawBatch | NormalBatch | DecoratedBatch
# Whose event, and its id: the key of the store.
Key = tuple[str, str]

_TRACE_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Letter:
    """A record, or one event of it, that the `stage` could not work on; times in µs.

    Topic, partition and offset are those of the record that died, which was `appended_us`; the
    letter itself was written `dead_us`, and is kept in `kept_in`. `batch` is `None` if the value
    cannot be read, or is only the beginning of one of `whole_bytes`.
    """

    topic: str
    partition: int
    offset: int
    stage: str
    reason: str
    headers: Headers
    value: bytes | None
    key: bytes | None
    appended_us: int
    dead_us: int
    kept_in: str
    whole_bytes: int
    batch: AnyBatch | None

    @property
    def place(self) -> str:
        """How the record that died is called on the command line."""
        return f"{self.topic}-{self.partition}-{self.offset}"

    @property
    def keys(self) -> list[Key]:
        """The keys of its events in the store; none if it cannot be read."""
        batch = self.batch
        if batch is None:
            return []
        return [
            (origin.tenant, event.event_id)
            for origin in batch.origins
            for event in batch.events[origin.first : origin.first + origin.count]
        ]

    @property
    def trace_ids(self) -> list[str]:
        """The traces that died here, each once; maybe none."""
        origins: list[Origin] = self.batch.origins if self.batch else []
        ids = [origin.trace_id for origin in origins] or [self.carried.trace_id]
        # What a foreign producer wrote there may be anything, and is printed.
        return [trace_id for trace_id in dict.fromkeys(ids) if _TRACE_ID.fullmatch(trace_id)]

    @property
    def carried(self) -> tracing.Carried:
        """The context in its headers."""
        return tracing.read_headers(self.headers)

    @property
    def replay_of(self) -> str:
        """The place of the letter that this one is the replay of, as its headers say; or empty."""
        return _text(_told(self.headers), names.REPLAY_OF, "")


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the place tells that a letter is kept in."""

    where: str
    stage: str
    reason: str
    dead_us: int
    key: bytes | None = None


def of_record(record: Record) -> Letter:
    """Read a record of a dead-letter topic; one that is not ours is a letter all the same."""
    told = _told(record.headers)
    position = Position(
        topic=_text(told, letter_headers.TOPIC, record.topic.removesuffix(DEAD_LETTER_SUFFIX)),
        partition=_number(told, letter_headers.PARTITION, record.partition),
        offset=_number(told, letter_headers.OFFSET, record.offset),
        appended_us=_number(told, letter_headers.TIMESTAMP, 0) * 1000,
    )
    kept = _Kept(
        where=f"{record.topic} [{record.partition}] at offset {record.offset}",
        stage=_text(told, letter_headers.STAGE, "unknown"),
        reason=_text(told, letter_headers.REASON, "unknown"),
        dead_us=record.appended_us,
        key=record.key,
    )
    return _letter(position, record.headers, record.value, kept)


def of_row(row: Mapping[str, Any], dead_us: int) -> Letter:
    """Read a row of the table that the sink keeps its dead letters in."""
    headers = _headers(row["headers"])
    appended_us = _number(_told(headers), letter_headers.TIMESTAMP, 0) * 1000
    position = Position(row["topic"], row["part"], row["offset"], appended_us)
    kept = _Kept("the table dead_letter", row["stage"], row["reason"], dead_us)
    return _letter(position, headers, row["value"], kept)


def _letter(position: Position, headers: Headers, value: bytes | None, kept: _Kept) -> Letter:
    whole_bytes = _number(_told(headers), letter_headers.VALUE_BYTES, 0)
    return Letter(
        topic=position.topic,
        partition=position.partition,
        offset=position.offset,
        stage=kept.stage,
        reason=kept.reason,
        headers=headers,
        value=value,
        key=kept.key,
        appended_us=position.appended_us,
        dead_us=kept.dead_us,
        kept_in=kept.where,
        whole_bytes=whole_bytes,
        batch=None if whole_bytes else _read(value, position, headers),
    )


def _read(value: bytes | None, position: Position, headers: Headers) -> AnyBatch | None:
    try:
        if position.topic == NORMALIZE.reads:
            return decode_raw(value, _with_context(position, headers))
        if position.topic == DECORATE.reads:
            return decode(NormalBatch, value)
        if position.topic == SINK.reads:
            return decode(DecoratedBatch, value)
    except Rejected:
        return None
    return None


def _with_context(position: Position, headers: Headers) -> Position:
    """Let a foreign record keep the context it came with, as the stage does."""
    carried = tracing.read_headers(headers)
    traceparent, tracestate = tracing.adopt(carried.traceparent, carried.tracestate)
    return replace(position, traceparent=traceparent, tracestate=tracestate)


def _headers(encoded: str | None) -> Headers:
    """Read headers kept as JSON, an object or a list of pairs."""
    decoded = msgspec.json.decode(encoded or "{}")
    pairs = decoded.items() if isinstance(decoded, dict) else decoded
    return [(str(name), str(text).encode()) for name, text in pairs]


def _told(headers: Headers) -> dict[str, bytes]:
    """Read headers by name; Kafka also keeps one without a value, which tells nothing."""
    return {name: value for name, value in headers if value}


def _text(told: dict[str, bytes], name: str, otherwise: str) -> str:
    # Whoever produces a record sets its headers, and these need not be text.
    return told[name].decode("utf-8", "replace") if name in told else otherwise


def _number(told: dict[str, bytes], name: str, otherwise: int) -> int:
    text = told.get(name, b"")
    return int(text) if text.isdigit() and len(text) <= 19 else otherwise
