"""Where records end that cannot be worked on: `<topic>.dlq`, with the reason and the trace."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import structlog

from libs import tracing
from libs.errors import Rejected
from libs.events import DecoratedBatch, NormalBatch, Origin, RawBatch, Rejection, encode
from libs.kafka import Ack, Headers, Outgoing, Producer, Record
from libs.stage import letter_headers
from libs.stage.failpoints import Failpoints
from libs.stage.limit import DeadLetterLimit
from libs.stage.reading import Replica, read_facts, unread_origin
from libs.stage.retry import until_available
from libs.stage.settings import DeadLetterSettings

_log = structlog.get_logger()

SUFFIX = ".dlq"
_REASON_CHARS_MAX = 1_000
# What is kept of a value that is itself too large to be written again; the whole of it stays in
# its own topic for as long as that keeps records.
_CUT_VALUE_BYTES = 262_144

AnyBatch = RawBatch | NormalBatch | DecoratedBatch


class DeadLetters:
    """Writes the dead letters of one stage, durably, and ends the traces that end there."""

    def __init__(
        self,
        producer: Producer,
        replica: Replica,
        emitter: tracing.Emitter,
        failpoints: Failpoints | None = None,
    ) -> None:
        self._producer = producer
        self._replica = replica
        self._emitter = emitter
        self._limit = DeadLetterLimit(DeadLetterSettings())
        self._failpoints = failpoints or Failpoints()

    async def bury(
        self, record: Record, batch: AnyBatch | None, reason: str, started_us: int
    ) -> None:
        """Dead-letter a whole record, as it came; `batch` is `None` if it could not be read.

        Raises `Unavailable` past the retry budget; nothing of the record is committed then. Past
        the limit of dead letters it never returns.
        """
        await self._limit.allow(record, 1.0)
        ack = await self._write(record, record.value, record.headers, reason)
        origins = batch.origins if batch else [unread_origin(record)]
        self._end_traces(record, batch, origins, reason, (started_us, ack.acked_us))
        read = read_facts(
            record, self._replica, tracing.read_headers(record.headers), batch, started_us
        )
        self._emitter.meters.read(read, ack.acked_us, None, "dead_lettered")

    async def bury_events(
        self, record: Record, batch: AnyBatch, rejected: Sequence[Rejection], started_us: int
    ) -> None:
        """Dead-letter some events of a record, each as a record of its own with its origin.

        Raises, or does not return, as `bury` does.
        """
        await self._limit.allow(record, len(rejected) / len(batch.events))
        acks = await asyncio.gather(*(self._write_event(record, batch, one) for one in rejected))
        times_us = started_us, max(ack.acked_us for ack in acks)
        reasons = {rejection.index: rejection.reason for rejection in rejected}
        for origin in batch.origins:
            places = range(origin.first, origin.first + origin.count)
            if all(place in reasons for place in places):
                self._end_traces(record, batch, [origin], reasons[origin.first], times_us)

    async def _write_event(self, record: Record, batch: AnyBatch, rejection: Rejection) -> Ack:
        origin = _origin_of(batch.origins, rejection.index)
        alone = msgspec.structs.replace(
            batch,
            origins=[msgspec.structs.replace(origin, first=0, count=1)],
            events=[batch.events[rejection.index]],
        )
        headers = tracing.write_headers([origin], tracing.Trail(), self._emitter.policy)
        return await self._write(record, encode(alone), headers, rejection.reason)

    async def _write(
        self, record: Record, value: bytes | None, headers: Headers, reason: str
    ) -> Ack:
        _log.warning(
            "dead letter",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            **tracing.carried_ids(tracing.read_headers(headers).traceparent),
            reason=reason[:_REASON_CHARS_MAX],
        )
        # A record that died before may come again by a replay: one death is told, the last.
        kept = [(name, text) for name, text in headers if not _is_of_death(name)]
        if self._emitter.policy.is_contrib:
            kept = tracing.without_context(kept)
        letter = Outgoing(
            topic=record.topic + SUFFIX,
            partition=record.partition,
            # Kafka's client takes no record with neither.
            value=b"" if value is None and record.key is None else value,
            headers=[*kept, *self._headers(record, reason)],
            key=record.key,
        )
        with tracing.sending(self._emitter.policy, tracing.read_headers(headers)):
            ack = await until_available(lambda _attempt: self._send(letter))
        await self._failpoints.visit("dlq.after_produce")
        return ack

    async def _send(self, letter: Outgoing) -> Ack:
        try:
            return await (await self._producer.send(letter))
        except Rejected:
            return await (await self._producer.send(_cut(letter)))

    def _headers(self, record: Record, reason: str) -> Headers:
        return [
            (letter_headers.STAGE, self._replica.stage.encode()),
            (letter_headers.REASON, reason[:_REASON_CHARS_MAX].encode()),
            (letter_headers.TOPIC, record.topic.encode()),
            (letter_headers.PARTITION, str(record.partition).encode()),
            (letter_headers.OFFSET, str(record.offset).encode()),
            (letter_headers.TIMESTAMP, str(record.appended_us // 1000).encode()),
        ]

    def _end_traces(
        self,
        record: Record,
        batch: AnyBatch | None,
        origins: Sequence[Origin],
        reason: str,
        times_us: tuple[int, int],
    ) -> None:
        """Emit the failed end of each origin that has no event left to go on."""
        started_us, ended_us = times_us
        carried = tracing.read_headers(record.headers)
        read = read_facts(record, self._replica, carried, batch, started_us)
        reading = tracing.Reading(read)
        for origin in origins:
            arrival = tracing.Arrival(origin, carried.trail, reading)
            tracing.report_death(self._emitter, arrival, reason, ended_us)


def _origin_of(origins: Sequence[Origin], index: int) -> Origin:
    return next(o for o in origins if o.first <= index < o.first + o.count)


def _is_of_death(header: str) -> bool:
    return header.startswith(letter_headers.PREFIX)


def _cut(letter: Outgoing) -> Outgoing:
    """Keep of a letter what can be written for sure: why it died, and the start of its value."""
    whole = letter.value or b""
    kept = [(name, text) for name, text in letter.headers if _is_of_death(name)]
    size = (letter_headers.VALUE_BYTES, str(len(whole)).encode())
    return Outgoing(letter.topic, letter.partition, whole[:_CUT_VALUE_BYTES], headers=[*kept, size])
