"""A hop that stops over its dead letters, over the in-memory twin of Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import stamina.instrumentation
from stamina.instrumentation import RetryDetails
from structlog.testing import capture_logs
from structlog.typing import EventDict

from libs import stage, tracing
from libs.errors import Unavailable
from libs.events import (
    NormalBatch,
    NormalEvent,
    Origin,
    Outcome,
    RawBatch,
    RawEvent,
    Rejection,
    decode,
    encode,
    without,
)
from libs.kafka import Outgoing, Partition, Record
from libs.kafka.memory import MemoryBroker
from libs.stage import retry
from tests.emitted import Emitted

REPLICA = stage.Replica("normalize", 0)
NOW = "2026-01-01T00:00:00.000000Z"
PARTITION = 3


def raw(*names: str) -> Outgoing:
    request = tracing.begin(1_000, is_sampled=True)
    origin = Origin(
        tenant="default",
        received_us=1_000,
        first=0,
        count=len(names),
        total=len(names),
        traceparent=request.traceparent(7),
        tracestate=request.tracestate,
    )
    batch = RawBatch(origins=[origin], events=[RawEvent(f"id-{n}", n, 1.0) for n in names])
    return Outgoing("events.raw", PARTITION, encode(batch), [])


def junk() -> Outgoing:
    return Outgoing("events.raw", PARTITION, b"{broken", [])


def decode_raw(record: Record) -> RawBatch:
    return decode(RawBatch, record.value)


async def refuse_bad(batch: RawBatch) -> Outcome[NormalBatch]:
    bad = [place for place, event in enumerate(batch.events) if event.name == "bad"]
    events = [NormalEvent(e.event_id, e.name, e.value, NOW) for e in batch.events]
    onward = without(NormalBatch(origins=batch.origins, events=events), bad)
    return Outcome(onward, [Rejection(place, "bad name") for place in bad])


@asynccontextmanager
async def running(broker: MemoryBroker) -> AsyncGenerator[asyncio.Task[None]]:
    """Run the hop, and end it in the middle of whatever it does, as a kill would."""
    async with (
        broker.producer() as producer,
        # Small polls, so that some are over and committed before the limit is met.
        broker.consumer("events.raw", group="normalize", poll_records_max=2) as consumer,
    ):
        hop = stage.Transform(writes="events.normalized", decode=decode_raw, handle=refuse_bad)
        work = stage.forward(hop, REPLICA, producer, Emitted())
        loop = asyncio.create_task(stage.run(consumer, work, asyncio.Event()))
        try:
            yield loop
        finally:
            loop.cancel()
            await asyncio.wait([loop])


async def until_held(broker: MemoryBroker) -> list[EventDict]:
    """Run the hop until it says that it holds; gives all that it said."""
    with capture_logs() as logs:
        async with running(broker), asyncio.timeout(5):
            while not held(logs):  # noqa: ASYNC110  (a log has nobody to tell us)
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.05)
    return logs


def held(logs: list[EventDict]) -> list[EventDict]:
    return [entry for entry in logs if entry["event"] == "dead-letter limit reached"]


def letters(broker: MemoryBroker) -> list[int]:
    """The offsets of the records that were buried."""
    found = broker.records("events.raw.dlq")
    return [int(dict(letter.headers)["dlq.orig.offset"]) for letter in found]


def committed(broker: MemoryBroker) -> int:
    return broker.committed.get(("normalize", Partition("events.raw", PARTITION)), 0)


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker()


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEAD_LETTERS_CONSECUTIVE_MAX", "5")


async def test_at_the_limit_the_stage_holds_and_commits_nothing_of_the_poll(
    broker: MemoryBroker,
) -> None:
    for _ in range(50):
        broker.append(junk())

    logs = await until_held(broker)

    assert letters(broker) == [0, 1, 2, 3, 4]
    assert committed(broker) == 4
    (said,) = held(logs)
    assert (said["partition"], said["offset"]) == (PARTITION, 5)
    assert "DEAD_LETTERS_CONSECUTIVE_MAX=0" in said["remedy"]


async def test_whoever_looks_at_the_retries_of_a_stage_sees_that_it_holds(
    broker: MemoryBroker,
) -> None:
    for _ in range(50):
        broker.append(junk())
    hooks = stamina.instrumentation.get_on_retry_hooks()
    seen: list[RetryDetails] = []

    def see(details: RetryDetails) -> None:
        seen.append(details)

    stamina.instrumentation.set_on_retry_hooks([*hooks, see])
    try:
        await until_held(broker)
    finally:
        stamina.instrumentation.set_on_retry_hooks(hooks)

    (details,) = seen
    assert "dead-letter limit reached: 5 records in a row" in str(details.caused_by)
    assert details.wait_for == 60


async def test_events_that_are_refused_one_by_one_meet_the_same_limit(broker: MemoryBroker) -> None:
    for _ in range(50):
        broker.append(raw("bad", "bad"))

    await until_held(broker)

    assert set(letters(broker)) == {0, 1, 2, 3, 4}
    assert committed(broker) == 4


async def test_a_stage_that_is_started_again_buries_no_more_than_the_limit_again(
    broker: MemoryBroker,
) -> None:
    for _ in range(50):
        broker.append(junk())

    for _ in range(2):
        await until_held(broker)

    # The poll that was not committed is read again: two of its letters are there twice.
    assert set(letters(broker)) == set(range(9))
    assert committed(broker) == 8


async def test_once_the_limit_is_lifted_everything_is_buried_and_the_stage_goes_on(
    broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(50):
        broker.append(junk())
    broker.append(raw("good"))
    await until_held(broker)
    monkeypatch.setenv("DEAD_LETTERS_CONSECUTIVE_MAX", "0")

    async with running(broker), asyncio.timeout(5):
        while committed(broker) < 51:  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    assert set(letters(broker)) == set(range(50))
    assert len(broker.records("events.normalized")) == 1


async def test_bad_records_among_good_ones_do_not_stop_a_stage(broker: MemoryBroker) -> None:
    for _ in range(20):
        broker.append(junk())
        broker.append(raw("good", "bad"))

    async with running(broker), asyncio.timeout(5):
        while committed(broker) < 40:  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    assert len(letters(broker)) == 40
    assert len(broker.records("events.normalized")) == 20


async def test_where_no_letter_can_be_written_the_stage_stops_and_commits_nothing(
    broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "RETRY_BUDGET_S", 0.3)
    broker.append(junk())
    broker.is_away = True

    async with running(broker) as loop, asyncio.timeout(5):
        with pytest.raises(Unavailable):
            await loop

    assert (letters(broker), committed(broker)) == ([], 0)


async def test_a_letter_that_cannot_be_written_yet_is_waited_for(broker: MemoryBroker) -> None:
    broker.append(junk())
    broker.append(raw("good"))
    broker.is_away = True

    async with running(broker) as loop, asyncio.timeout(5):
        await asyncio.sleep(0.2)
        assert (loop.done(), committed(broker)) == (False, 0)
        broker.is_away = False
        while committed(broker) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    assert letters(broker) == [0]
