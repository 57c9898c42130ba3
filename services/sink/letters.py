"""What cannot be stored: rows of the table `dead_letter`, and the ends of their traces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
import structlog

from libs import tracing
from libs.events import DecoratedBatch, Origin, encode, without
from libs.kafka import Headers, Record
from libs.stage import Replica, letter_headers, read_facts, unread_origin

_log = structlog.get_logger()
_json = msgspec.json.Encoder()

_REASON_CHARS_MAX = 1_000
# Of what should be a UUID; the whole of it is in the letter's value.
_EVENT_ID_CHARS_MAX = 64
_TENANT_CHARS_MAX = 256


class Letter(NamedTuple):
    """One row, in the order of its columns."""

    topic: str
    part: int
    offset: int
    event_id: str
    tenant: str
    stage: str
    reason: str
    trace_id: str
    headers: str
    value: bytes | None


@dataclass(slots=True)
class Taken:
    """A record, when work on it began (µs), and what of it cannot be stored.

    `batch` is as it came, and `None` if it could not be read: `unread` says why. `dead` are the
    reasons by the places of the events that the store refuses.
    """

    record: Record
    started_us: int
    batch: DecoratedBatch | None = None
    unread: str = ""
    dead: dict[int, str] = field(default_factory=dict[int, str])

    @property
    def left(self) -> DecoratedBatch | None:
        """What is to be stored, if anything is."""
        if not self.dead or self.batch is None:
            return self.batch
        left = without(self.batch, self.dead)
        return left if left.events else None

    @property
    def dead_share(self) -> float:
        """How much of it cannot be stored, up to 1."""
        return len(self.dead) / len(self.batch.events) if self.batch else 1.0

    @property
    def places_left(self) -> list[int]:
        """The places of the events that are to be stored, ascending."""
        events = len(self.batch.events) if self.batch else 0
        return [place for place in range(events) if place not in self.dead]


def letters(taken: Sequence[Taken], replica: Replica, policy: tracing.Policy) -> list[Letter]:
    """Write the letters of some records: of one that cannot be read, else of its dead events."""
    written: list[Letter] = []
    for one in taken:
        if one.batch is None:
            written.append(_of_record(one, replica))
        elif one.dead:
            written += _of_events(one, one.batch, replica, policy)
    return written


def _of_record(one: Taken, replica: Replica) -> Letter:
    record = one.record
    return _storable(
        Letter(
            topic=record.topic,
            part=record.partition,
            offset=record.offset,
            event_id="",
            tenant="unknown",
            stage=replica.stage,
            reason=one.unread,
            trace_id=tracing.read_headers(record.headers).trace_id,
            headers=_as_json(record, record.headers),
            value=record.value,
        )
    )


def _of_events(
    one: Taken, batch: DecoratedBatch, replica: Replica, policy: tracing.Policy
) -> list[Letter]:
    written: dict[str, Letter] = {}
    for place, reason in sorted(one.dead.items()):
        event = batch.events[place]
        origin = next(o for o in batch.origins if o.first <= place < o.first + o.count)
        event_id = _text(event.event_id[:_EVENT_ID_CHARS_MAX])
        # The key must tell it from the record's other letters, and from the record as a whole.
        while not event_id or event_id in written:
            event_id = f"{event_id}#{place}"
        alone = msgspec.structs.replace(
            batch, origins=[msgspec.structs.replace(origin, first=0, count=1)], events=[event]
        )
        written[event_id] = _storable(
            Letter(
                topic=one.record.topic,
                part=one.record.partition,
                offset=one.record.offset,
                event_id=event_id,
                tenant=origin.tenant[:_TENANT_CHARS_MAX],
                stage=replica.stage,
                reason=reason,
                trace_id=origin.trace_id,
                headers=_as_json(
                    one.record, tracing.write_headers([origin], tracing.Trail(), policy)
                ),
                value=encode(alone),
            )
        )
    return list(written.values())


def _storable(letter: Letter) -> Letter:
    """Make its texts such that PostgreSQL takes them."""
    return letter._replace(
        tenant=_text(letter.tenant),
        reason=_text(letter.reason[:_REASON_CHARS_MAX]),
        trace_id=_text(letter.trace_id),
    )


def tell(written: Sequence[Letter]) -> None:
    """Tell of letters in the log; after the commit only."""
    for letter in written:
        _log.warning(
            "dead letter",
            topic=letter.topic,
            partition=letter.part,
            offset=letter.offset,
            event_id=letter.event_id,
            reason=letter.reason,
            **{"trace_id": letter.trace_id, **_ids(letter)},
        )


def _ids(letter: Letter) -> dict[str, str]:
    headers = msgspec.json.decode(letter.headers, type=dict[str, str])
    return tracing.carried_ids(headers.get("traceparent", ""))


def _as_json(record: Record, headers: Headers) -> str:
    # A record that died before may come again by a replay: one death is told, the last.
    prefix = letter_headers.PREFIX
    kept = [(name, value) for name, value in headers if not name.startswith(prefix)]
    kept.append((letter_headers.TIMESTAMP, str(record.appended_us // 1000).encode()))
    told = {
        _text(name): _text((value or b"").decode("utf-8", "backslashreplace"))
        for name, value in kept
    }
    return _json.encode(told).decode()


def _text(text: str) -> str:
    return text.replace("\0", "\ufffd")


def report_ends(emitter: tracing.Emitter, replica: Replica, one: Taken, ended_us: int) -> None:
    """Emit the failed end of each origin of which nothing is left; after the commit only."""
    if one.batch is None:
        ended: Mapping[int, Origin] = {0: unread_origin(one.record)}
    else:
        ended = {
            origin.first: origin
            for origin in one.batch.origins
            if all(place in one.dead for place in range(origin.first, origin.first + origin.count))
        }
    if not ended:
        return
    carried = tracing.read_headers(one.record.headers)
    read = read_facts(one.record, replica, carried, one.batch, one.started_us)
    reading = tracing.Reading(read)
    for first, origin in ended.items():
        reason = one.unread or one.dead[first]
        tracing.report_death(
            emitter, tracing.Arrival(origin, carried.trail, reading), reason, ended_us
        )
    if one.left is None:
        emitter.meters.read(read, ended_us, None, "dead_lettered")
