"""Many requests into few records: each request in one record, or in parts in one partition."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from zlib import crc32

from libs import tracing
from libs.clock import now_us
from libs.errors import NotSent, Rejected, Unavailable
from libs.events import Origin, assemble, encode_events
from libs.kafka import Ack, Outgoing, Producer
from libs.stage import Failpoints
from libs.validation import SentEvent
from services.ingest.settings import Settings


@dataclass(frozen=True, slots=True)
class Part:
    """Some events of one request, encoded, that travel together."""

    count: int
    encoded: bytes


@dataclass(slots=True)
class Intake:
    """One valid request on its way into records.

    `handed_us` and `send_ids`, one for each part, are filled in on the way.
    """

    request: tracing.Request
    tenant: str
    total: int
    parts: list[Part]
    ordering_key: bytes | None = None
    body_bytes: int = 0
    handed_us: int = 0
    send_ids: list[int] = field(default_factory=list[int])


@dataclass(slots=True)
class _OpenRecord:
    """A record that still takes requests."""

    partition: int
    opened_us: int
    acked: asyncio.Future[Ack]
    origins: list[Origin] = field(default_factory=list[Origin])
    encoded: list[bytes] = field(default_factory=list[bytes])
    events: int = 0
    size_bytes: int = 0
    timer: asyncio.TimerHandle | None = None

    def add(self, origin: Origin, part: Part) -> None:
        self.origins.append(origin)
        self.encoded.append(part.encoded)
        self.events += part.count
        self.size_bytes += len(part.encoded) + _ORIGIN_BYTES


# The requests behind the records are answered or cut off by then.
_DRAIN_LIMIT_S = 2.0

# What an origin takes in a record, rounded up: contexts, times, counts and a tenant's name.
_ORIGIN_BYTES = 512


def cut(events: Sequence[SentEvent], settings: Settings) -> list[Part]:
    """Cut a request into parts that each fit a record; none if it has no events.

    Raises `Rejected` if one event alone does not fit.
    """
    if not events:
        return []
    room_bytes = settings.record_bytes_max - _ORIGIN_BYTES
    whole = encode_events(events)
    if len(whole) <= room_bytes and len(events) <= settings.record_events_max:
        return [Part(len(events), whole)]
    parts: list[Part] = []
    open_part: list[bytes] = []
    size_bytes = 0
    for index, event in enumerate(events):
        encoded = encode_events([event])
        if len(encoded) > room_bytes:
            raise Rejected(f"event {index} takes {len(encoded)} bytes, the limit is {room_bytes}")
        is_full = len(open_part) == settings.record_events_max
        if is_full or size_bytes + len(encoded) + 1 > room_bytes:
            parts.append(Part(len(open_part), b",".join(open_part)))
            open_part, size_bytes = [], 0
        open_part.append(encoded)
        size_bytes += len(encoded) + 1
    parts.append(Part(len(open_part), b",".join(open_part)))
    return parts


class Held:
    """The bytes of one body that is read or waits to be checked."""

    def __init__(self, aggregator: Aggregator) -> None:
        self._aggregator = aggregator
        self.size_bytes = 0

    def add(self, size_bytes: int) -> None:
        """Hold more. Raises `Unavailable` if there is no room for it."""
        self._aggregator.check_room(size_bytes)
        self._aggregator.buffered_bytes += size_bytes
        self.size_bytes += size_bytes


class Aggregator:
    """The open records, and what is on its way to Kafka.

    A failure that is not an outage is kept in `failure`, and sets `stop`.
    """

    def __init__(
        self,
        producer: Producer,
        topic: str,
        partitions: int,
        settings: Settings,
        emitter: tracing.Emitter,
        stop: asyncio.Event,
    ) -> None:
        self.failure: BaseException | None = None
        self._producer = producer
        self.topic = topic
        self._partitions = partitions
        self._settings = settings
        self._failpoints = Failpoints(settings.failpoints)
        self._emitter = emitter
        self._stop = stop
        self._open: dict[int | None, _OpenRecord] = {}
        self._turn = 0
        # One hand-over at a time in a partition: the order of its records is promised.
        self._lanes = [asyncio.Lock() for _ in range(partitions)]
        self._flights: set[asyncio.Task[None]] = set()
        self._unacked: dict[int, float] = {}
        self._flight = 0
        self.buffered_bytes = 0

    def check_ready(self) -> None:
        """Raise `Unavailable` if requests had better go elsewhere."""
        if self._stop.is_set():
            raise Unavailable("the door is stopping")
        self.check_room(0)

    def check_room(self, size_bytes: int) -> None:
        """Raise `Unavailable` if a request of this size must not come in now."""
        self._producer.check()
        if self.buffered_bytes + size_bytes > self._settings.buffered_bytes_max:
            raise Unavailable("the door's buffer is full")
        oldest_s = next(iter(self._unacked.values()), None)
        if oldest_s is not None and time.monotonic() - oldest_s > self._settings.stall_s:
            raise Unavailable("Kafka does not acknowledge")

    @contextmanager
    def reading(self) -> Generator[Held]:
        """Hold what is read of a body, so that it counts until it is in `add`."""
        held = Held(self)
        try:
            yield held
        finally:
            self._release(held.size_bytes)

    async def add(self, intake: Intake) -> list[Ack]:
        """Put a request into records and wait until Kafka has them: one ack for each part.

        Raises `Unavailable` if an ack does not come in time; the events may be in the log then.
        Raises `NotSent` if none of them is, so that nobody else will end the request.
        """
        size_bytes = sum(len(part.encoded) for part in intake.parts)
        self.check_room(size_bytes)
        self.buffered_bytes += size_bytes
        intake.handed_us = now_us()
        parts = self._place(intake)
        acks = asyncio.gather(*parts)
        acks.add_done_callback(lambda _done: self._release(size_bytes))
        try:
            # The record is shared: one request's patience does not end the others' wait.
            return await asyncio.wait_for(asyncio.shield(acks), self._settings.ack_timeout_s)
        except Unavailable as error:
            if all(part.done() and isinstance(part.exception(), NotSent) for part in parts):
                raise NotSent(str(error)) from error
            raise Unavailable(str(error)) from error
        except TimeoutError as error:
            acks.add_done_callback(_forget)
            limit_s = self._settings.ack_timeout_s
            raise Unavailable(f"Kafka did not acknowledge within {limit_s} s") from error

    async def drain(self) -> None:
        """Close the open records and wait a moment until all of them are acknowledged.

        Nobody has been told yet that the rest was accepted.
        """
        for lane in list(self._open):
            self._close(lane)
        if self._flights:
            await asyncio.wait(self._flights, timeout=_DRAIN_LIMIT_S)

    def _place(self, intake: Intake) -> list[asyncio.Future[Ack]]:
        if len(intake.parts) == 1:
            return [self._join(intake)]
        return self._travel_alone(intake)

    def _join(self, intake: Intake) -> asyncio.Future[Ack]:
        """Put a small request into the open record of its lane."""
        (part,) = intake.parts
        lane = self._lane(intake.ordering_key)
        record = self._open.get(lane)
        if record is not None and not self._fits(record, part):
            self._close(lane)
            record = None
        if record is None:
            record = self._open_record(lane)
        record.add(self._origin(intake, 0, record.events), part)
        if record.events >= self._settings.record_events_max:
            self._close(lane)
        return record.acked

    def _travel_alone(self, intake: Intake) -> list[asyncio.Future[Ack]]:
        """Send a large request as records of its own, in order, in one partition."""
        lane = self._lane(intake.ordering_key)
        if lane is not None and lane in self._open:
            self._close(lane)
        partition = self._next_partition() if lane is None else lane
        acks: list[asyncio.Future[Ack]] = []
        for index, part in enumerate(intake.parts):
            record = self._new_record(partition)
            record.add(self._origin(intake, index, 0), part)
            self._depart(record)
            acks.append(record.acked)
        return acks

    def _fits(self, record: _OpenRecord, part: Part) -> bool:
        size_bytes = record.size_bytes + len(part.encoded) + _ORIGIN_BYTES
        is_small = size_bytes <= self._settings.record_bytes_max
        return is_small and record.events + part.count <= self._settings.record_events_max

    def _lane(self, ordering_key: bytes | None) -> int | None:
        return None if ordering_key is None else crc32(ordering_key) % self._partitions

    def _next_partition(self) -> int:
        self._turn = (self._turn + 1) % self._partitions
        return self._turn

    def _new_record(self, partition: int) -> _OpenRecord:
        acked: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        return _OpenRecord(partition, now_us(), acked)

    def _open_record(self, lane: int | None) -> _OpenRecord:
        record = self._new_record(self._next_partition() if lane is None else lane)
        loop = asyncio.get_running_loop()
        record.timer = loop.call_later(self._settings.linger_s, self._close, lane)
        self._open[lane] = record
        return record

    def _origin(self, intake: Intake, index: int, first: int) -> Origin:
        send_id = intake.request.new_send_id()
        intake.send_ids.append(send_id)
        return Origin(
            tenant=intake.tenant,
            received_us=intake.request.received_us,
            first=first,
            count=intake.parts[index].count,
            total=intake.total,
            traceparent=intake.request.traceparent(send_id),
            tracestate=intake.request.tracestate,
            is_last=index == len(intake.parts) - 1,
            admitted_us=max(intake.handed_us - intake.request.received_us, 0),
        )

    def _close(self, lane: int | None) -> None:
        record = self._open.pop(lane)
        if record.timer is not None:
            record.timer.cancel()
        self._depart(record)

    def _depart(self, record: _OpenRecord) -> None:
        self._flight += 1
        self._unacked[self._flight] = time.monotonic()
        task = asyncio.create_task(self._fly(record, self._flight))
        self._flights.add(task)
        task.add_done_callback(self._landed)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._flights.discard(task)
        if error := task.exception():
            # A producer that failed for good takes nothing more: the process must start anew.
            self.failure = error
            self._stop.set()

    async def _fly(self, record: _OpenRecord, flight: int) -> None:
        try:
            async with self._lanes[record.partition]:
                with tracing.sending(self._emitter.policy, tracing.speaker(record.origins)):
                    acked = await self._producer.send(self._outgoing(record))
            ack = await acked
            await self._failpoints.visit("ingest.after_send")
            record.acked.set_result(ack)
            self._measure(record, ack)
        except (NotSent, Rejected) as error:
            record.acked.set_exception(NotSent(str(error)))
        except Unavailable as error:
            record.acked.set_exception(Unavailable(str(error)))
        finally:
            del self._unacked[flight]
            if not record.acked.done():
                record.acked.set_exception(Unavailable("the door lost its way to Kafka"))

    def _measure(self, record: _OpenRecord, ack: Ack) -> None:
        written = tracing.Written(
            topic=ack.topic,
            partition=ack.partition,
            offset=ack.offset,
            client_id=f"ingest-{self._settings.replica}",
            handed_us=record.opened_us,
            acked_us=ack.acked_us,
            events=record.events,
            record_us=ack.handed_us,
            drained_us=ack.drained_us,
        )
        self._emitter.meters.wrote(written, tracing.exemplar(record.origins))

    def _outgoing(self, record: _OpenRecord) -> Outgoing:
        handed_us = now_us()
        received_us = min(origin.received_us for origin in record.origins)
        stop = tracing.Stop(
            stage="ingest",
            replica=self._settings.replica,
            host=tracing.host_id(),
            read="",
            appended_us=received_us,
            polled_us=received_us,
            started_us=record.opened_us,
            handed_us=handed_us,
        )
        return Outgoing(
            topic=self.topic,
            partition=record.partition,
            value=assemble(record.origins, record.encoded),
            headers=tracing.write_headers(
                record.origins, tracing.Trail().then(stop), self._emitter.policy
            ),
        )

    def _release(self, size_bytes: int) -> None:
        self.buffered_bytes -= size_bytes


def _forget(done: asyncio.Future[list[Ack]]) -> None:
    """Take note of a late failure nobody waits for any more."""
    if not done.cancelled():
        done.exception()
