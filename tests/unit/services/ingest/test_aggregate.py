from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from libs import tracing
from libs.errors import Rejected, Unavailable
from libs.events import RawBatch, decode
from libs.kafka import Ack, Outgoing
from libs.kafka.memory import MemoryBroker
from libs.validation import SentEvent
from services.ingest.aggregate import Aggregator, Intake, cut
from services.ingest.settings import Settings
from tests.emitted import Emitted

LIMITS = {"INGEST_API_KEYS": "default=secret", "linger_s": 0.002, "record_bytes_max": 2_048}


def settings(**others: object) -> Settings:
    return Settings.model_validate({**LIMITS, **others})


def sent(count: int, text: str = "") -> list[SentEvent]:
    return [SentEvent(f"n{n}", n, f"id-{n}", attributes={"text": text}) for n in range(count)]


def intake(events: list[SentEvent], chosen: Settings, key: bytes | None = None) -> Intake:
    request = tracing.begin(1_000, is_sampled=True)
    return Intake(request, "default", len(events), cut(events, chosen), key)


class SlowProducer:
    """A broker that acknowledges when told, or never."""

    def __init__(self) -> None:
        self.waiting: list[asyncio.Future[Ack]] = []
        self.was_asked = asyncio.Event()

    def check(self) -> None:
        """Nothing is known against it."""

    async def send(self, record: Outgoing) -> asyncio.Future[Ack]:
        self.waiting.append(asyncio.get_running_loop().create_future())
        self.was_asked.set()
        return self.waiting[-1]

    def acknowledge(self) -> None:
        for place, waiting in enumerate(self.waiting):
            waiting.set_result(Ack("events.raw", 0, place, 1, 2))


@asynccontextmanager
async def aggregating(chosen: Settings) -> AsyncGenerator[tuple[Aggregator, MemoryBroker]]:
    broker = MemoryBroker()
    async with broker.producer() as producer:
        aggregator = Aggregator(producer, "events.raw", 12, chosen, Emitted(), asyncio.Event())
        yield aggregator, broker
        await aggregator.drain()


@pytest.mark.parametrize("count", [1, 7, 100, 1_000])
def test_the_parts_of_a_request_hold_all_of_it_in_order_and_fit(count: int) -> None:
    parts = cut(sent(count, "x" * 50), settings())

    assert sum(part.count for part in parts) == count
    assert all(len(part.encoded) <= 2_048 for part in parts)
    joined = b"".join(b"," + part.encoded for part in parts)
    assert [joined.index(b'"n%d"' % n) for n in range(count)] == sorted(
        joined.index(b'"n%d"' % n) for n in range(count)
    )


def test_an_event_that_fits_no_record_is_refused_by_its_place() -> None:
    with pytest.raises(Rejected, match="event 1 "):
        cut([*sent(1), *sent(1, "x" * 3_000)], settings())


async def test_a_record_never_exceeds_its_limits_however_many_requests_come() -> None:
    chosen = settings(record_events_max=5)
    async with aggregating(chosen) as (aggregator, broker):
        requests = [aggregator.add(intake(sent(2, "y" * 100), chosen)) for _ in range(20)]
        await asyncio.gather(*requests)

        records = broker.records("events.raw")
    batches = [decode(RawBatch, record.value) for record in records]
    assert sum(len(batch.events) for batch in batches) == 40
    assert all(len(batch.events) <= 5 for batch in batches)
    assert all(len(record.value or b"") <= 2_048 for record in records)


async def test_the_room_is_given_back_when_the_ack_is_there() -> None:
    chosen = settings()
    async with aggregating(chosen) as (aggregator, _):
        await aggregator.add(intake(sent(3), chosen))

        assert aggregator.buffered_bytes == 0


async def test_without_an_ack_in_time_the_outcome_is_unknown_and_the_room_stays_taken() -> None:
    chosen = settings(ack_timeout_s=0.05)
    producer = SlowProducer()
    emitter = Emitted()
    aggregator = Aggregator(producer, "events.raw", 12, chosen, emitter, asyncio.Event())

    with pytest.raises(Unavailable, match="did not acknowledge"):
        await aggregator.add(intake(sent(1), chosen))

    assert aggregator.buffered_bytes > 0
    producer.acknowledge()
    await aggregator.drain()
    assert aggregator.buffered_bytes == 0


async def test_while_the_oldest_record_waits_too_long_nothing_new_comes_in() -> None:
    chosen = settings(ack_timeout_s=0.05, stall_s=0.01)
    producer = SlowProducer()
    emitter = Emitted()
    aggregator = Aggregator(producer, "events.raw", 12, chosen, emitter, asyncio.Event())
    with pytest.raises(Unavailable):
        await aggregator.add(intake(sent(1), chosen))

    with pytest.raises(Unavailable):
        aggregator.check_room(1)

    assert len(producer.waiting) == 1
    producer.acknowledge()
    await aggregator.drain()
    aggregator.check_room(1)


async def test_a_producer_that_fails_for_good_stops_the_door() -> None:
    chosen = settings()
    producer = SlowProducer()
    stop = asyncio.Event()
    aggregator = Aggregator(producer, "events.raw", 12, chosen, Emitted(), stop)
    waiting = asyncio.create_task(aggregator.add(intake(sent(1), chosen)))
    await producer.was_asked.wait()

    producer.waiting[0].set_exception(RuntimeError("fenced"))

    with pytest.raises(Unavailable):
        await waiting
    await aggregator.drain()
    assert stop.is_set()
    assert isinstance(aggregator.failure, RuntimeError)


async def test_parts_with_an_ordering_key_follow_what_came_before_them() -> None:
    chosen = settings(record_events_max=3)
    async with aggregating(chosen) as (aggregator, broker):
        small = asyncio.create_task(aggregator.add(intake(sent(1), chosen, b"k")))
        await asyncio.sleep(0)
        await aggregator.add(intake(sent(7), chosen, b"k"))
        await small

        records = broker.records("events.raw")
    names = [event.name for r in records for event in decode(RawBatch, r.value).events]
    assert len({record.partition for record in records}) == 1
    assert names == ["n0", *(f"n{n}" for n in range(7))]


def test_records_larger_than_kafka_takes_are_refused_with_the_settings() -> None:
    with pytest.raises(ValueError, match="KAFKA_MAX_REQUEST_SIZE"):
        settings(record_bytes_max=2_000_000)
