"""A hop over the in-memory twin of Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest

from libs import stage, tracing
from libs.errors import Rejected, Unavailable
from libs.events import (
    NormalBatch,
    NormalEvent,
    Origin,
    Outcome,
    RawBatch,
    RawEvent,
    Rejection,
    decode,
    drop,
    encode,
)
from libs.kafka import Ack, Outgoing, Producer, Record
from libs.kafka.memory import MemoryBroker
from tests.emitted import Emitted

REPLICA = stage.Replica("normalize", 0)
NOW = "2026-01-01T00:00:00.000000Z"


def request_batch(*names: str, is_sampled: bool = True) -> RawBatch:
    request = tracing.begin(1_000, is_sampled=is_sampled)
    origin = Origin(
        tenant="default",
        received_us=1_000,
        first=0,
        count=len(names),
        total=len(names),
        traceparent=request.traceparent(7),
        tracestate=request.tracestate,
    )
    return RawBatch(origins=[origin], events=[RawEvent(f"id-{n}", n, 1.0) for n in names])


def raw(batch: RawBatch, partition: int = 3) -> Outgoing:
    stop = tracing.Stop("ingest", 0, "ab", "", 1, 1, 2, 3)
    headers = tracing.write_headers(batch.origins, tracing.Trail().then(stop), Emitted().policy)
    return Outgoing("events.raw", partition, encode(batch), headers)


def decode_raw(record: Record) -> RawBatch:
    return decode(RawBatch, record.value)


async def pass_on(batch: RawBatch) -> Outcome[NormalBatch]:
    """Refuse events called "bad", and whole records that hold an "awful" one."""
    if any(event.name == "awful" for event in batch.events):
        raise Rejected("awful")
    bad = [place for place, event in enumerate(batch.events) if event.name == "bad"]
    kept = [NormalEvent(e.event_id, e.name, e.value, NOW) for e in batch.events if e.name != "bad"]
    onward = NormalBatch(origins=drop(batch.origins, bad), events=kept)
    return Outcome(onward, [Rejection(place, "bad name") for place in bad])


@asynccontextmanager
async def running(broker: MemoryBroker, emitter: tracing.Emitter) -> AsyncGenerator[None]:
    stop = asyncio.Event()
    async with (
        broker.producer() as producer,
        broker.consumer("events.raw", group="normalize") as consumer,
    ):
        hop = stage.Transform(writes="events.normalized", decode=decode_raw, handle=pass_on)
        work = stage.forward(hop, REPLICA, producer, emitter)
        loop = asyncio.create_task(stage.run(consumer, work, stop))
        try:
            yield
        finally:
            stop.set()
            await loop


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110  (the twin has nobody to tell us)
            await asyncio.sleep(0.001)


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker()


@pytest.fixture
def spans() -> Emitted:
    return Emitted()


async def test_a_record_goes_on_in_its_partition_with_its_events(
    broker: MemoryBroker, spans: Emitted
) -> None:
    broker.append(raw(request_batch("a", "b"), partition=5))

    async with running(broker, spans):
        await until(lambda: len(broker.records("events.normalized")) == 1)

    (record,) = broker.records("events.normalized")
    assert record.partition == 5
    assert [event.name for event in decode(NormalBatch, record.value).events] == ["a", "b"]


async def test_the_next_record_carries_each_header_once_and_the_send_spans_context(
    broker: MemoryBroker, spans: Emitted
) -> None:
    broker.append(raw(request_batch("a")))

    async with running(broker, spans):
        await until(lambda: "send events.normalized" in spans.names())

    (record,) = broker.records("events.normalized")
    assert [name for name, _ in record.headers] == ["traceparent", "tracestate", "ttg-trail"]
    carried = tracing.read_headers(record.headers)
    (send,) = [span for span in spans.spans if span.name == "send events.normalized"]
    assert tracing.parse_traceparent(carried.traceparent) == send.ref
    assert [stop.stage for stop in carried.trail.stops] == ["ingest", "normalize"]
    assert decode(NormalBatch, record.value).origins[0].traceparent == carried.traceparent


async def test_each_sampled_origin_of_a_shared_record_has_its_own_spans(
    broker: MemoryBroker, spans: Emitted
) -> None:
    one, two = request_batch("a"), request_batch("b")
    dark = request_batch("c", is_sampled=False)
    origins = [
        msgspec.structs.replace(batch.origins[0], first=place)
        for place, batch in enumerate((one, two, dark))
    ]
    shared = RawBatch(origins=origins, events=[*one.events, *two.events, *dark.events])
    broker.append(raw(shared))

    async with running(broker, spans):
        await until(lambda: spans.names().count("send events.normalized") == 2)

    traces = {span.ref.trace_id for span in spans.spans}
    assert traces == {int(origin.trace_id, 16) for origin in origins[:2]}
    assert len(spans.spans) == 6


async def test_offsets_are_committed_after_the_ack(broker: MemoryBroker, spans: Emitted) -> None:
    for _ in range(3):
        broker.append(raw(request_batch("a"), partition=1))

    async with running(broker, spans):
        await until(lambda: 3 in broker.committed.values())

    assert len(broker.records("events.normalized")) == 3


async def test_without_an_ack_the_stage_stops_and_commits_nothing(
    broker: MemoryBroker, spans: Emitted
) -> None:
    broker.append(raw(request_batch("a")))
    broker.is_away = True

    with pytest.raises(Unavailable):
        async with running(broker, spans), asyncio.timeout(5):
            await asyncio.sleep(0.2)

    assert broker.committed == {}


async def test_a_record_that_is_no_json_is_dead_lettered_as_it_came_with_its_trace(
    broker: MemoryBroker, spans: Emitted
) -> None:
    batch = request_batch("a")
    broken = raw(batch)
    broken.value = b"{broken"
    broker.append(broken)
    broker.append(raw(request_batch("good")))

    async with running(broker, spans):
        await until(lambda: len(broker.records("events.normalized")) == 1)

    (letter,) = broker.records("events.raw.dlq")
    headers = dict(letter.headers)
    assert letter.value == b"{broken"
    assert headers["dlq.error.message"].startswith(b"not JSON")
    assert headers["dlq.orig.offset"] == b"0"
    assert headers["traceparent"].decode() == batch.origins[0].traceparent
    (root,) = [span for span in spans.spans if span.name == "time to glass"]
    assert root.error_type == "dead_lettered"
    assert root.ref.trace_id == int(batch.origins[0].trace_id, 16)


async def test_a_tombstone_is_dead_lettered_and_the_stage_goes_on(
    broker: MemoryBroker, spans: Emitted
) -> None:
    broker.append(Outgoing("events.raw", 0, None, []))
    broker.append(raw(request_batch("good"), partition=0))

    async with running(broker, spans):
        await until(lambda: len(broker.records("events.normalized")) == 1)

    (letter,) = broker.records("events.raw.dlq")
    assert letter.value == b""


async def test_one_bad_event_is_dead_lettered_alone_and_counted_for_the_root(
    broker: MemoryBroker, spans: Emitted
) -> None:
    broker.append(raw(request_batch("a", "bad", "c")))

    async with running(broker, spans):
        await until(lambda: len(broker.records("events.normalized")) == 1)

    (letter,) = broker.records("events.raw.dlq")
    assert [event.name for event in decode(RawBatch, letter.value).events] == ["bad"]
    (record,) = broker.records("events.normalized")
    onward = decode(NormalBatch, record.value)
    assert [event.name for event in onward.events] == ["a", "c"]
    assert (onward.origins[0].count, onward.origins[0].dead) == (2, 1)
    assert "time to glass" not in spans.names()


async def test_a_request_whose_last_event_dies_gets_its_failed_root_here(
    broker: MemoryBroker, spans: Emitted
) -> None:
    broker.append(raw(request_batch("bad")))

    async with running(broker, spans):
        await until(lambda: "time to glass" in spans.names())

    assert broker.records("events.normalized") == []
    (root,) = [span for span in spans.spans if span.name == "time to glass"]
    assert root.attributes["ttg.events.dead_lettered"] == 1
    assert root.attributes["ttg.dead_letter.reason"] == "bad name"


async def test_a_record_refused_as_a_whole_ends_every_trace_in_it(
    broker: MemoryBroker, spans: Emitted
) -> None:
    broker.append(raw(request_batch("a", "awful")))

    async with running(broker, spans):
        await until(lambda: "time to glass" in spans.names())

    (letter,) = broker.records("events.raw.dlq")
    assert len(decode(RawBatch, letter.value).events) == 2


async def test_for_what_is_not_sampled_no_span_is_built(
    broker: MemoryBroker, spans: Emitted, built_spans: list[str]
) -> None:
    dark = [request_batch("a", is_sampled=False) for _ in range(3)]
    for batch in (*dark, request_batch("a")):
        broker.append(raw(batch))

    async with running(broker, spans):
        await until(lambda: len(broker.records("events.normalized")) == 4)

    assert built_spans == spans.names()
    assert len(built_spans) == 3


async def test_a_record_too_large_to_go_on_is_one_dead_letter_with_the_bad_events_in_it(
    broker: MemoryBroker, spans: Emitted
) -> None:
    batch = request_batch(*["a"] * 60, "bad")
    came = raw(batch)
    # Each event grows by its time.
    broker.record_bytes_max = len(came.value or b"") + 1_000
    broker.append(came)

    async with running(broker, spans):
        await until(lambda: len(broker.records("events.raw.dlq")) == 1)

    (letter,) = broker.records("events.raw.dlq")
    assert letter.value == came.value
    assert broker.records("events.normalized") == []
    assert len(spans.roots()) == 1


async def test_a_stage_that_exports_nothing_builds_no_span_and_passes_the_context_on(
    broker: MemoryBroker, built_spans: list[str]
) -> None:
    batch, dead = request_batch("a"), request_batch("bad")
    broker.append(raw(batch))
    broker.append(raw(dead))

    async with running(broker, tracing.NoEmitter()):
        await until(lambda: len(broker.records("events.normalized")) == 1)
        await until(lambda: len(broker.records("events.raw.dlq")) == 1)

    (record,) = broker.records("events.normalized")
    carried = tracing.read_headers(record.headers)
    assert carried.traceparent == batch.origins[0].traceparent
    assert built_spans == []


async def test_each_request_is_told_the_reason_of_its_own_event(
    broker: MemoryBroker, spans: Emitted
) -> None:
    one, other = request_batch("bad"), request_batch("worse")
    second = msgspec.structs.replace(other.origins[0], first=1)
    shared = RawBatch(origins=[*one.origins, second], events=[*one.events, *other.events])
    broker.append(raw(shared))
    (record,) = broker.records("events.raw")
    async with broker.producer() as producer:
        letters = stage.DeadLetters(producer, REPLICA, spans)
        rejected = [Rejection(0, "bad name"), Rejection(1, "worse name")]

        await letters.bury_events(record, shared, rejected, 1)

    reasons = {
        span.ref.trace_id: span.attributes["ttg.dead_letter.reason"]
        for span in spans.spans
        if span.name == "time to glass"
    }
    assert reasons == {
        int(one.origins[0].trace_id, 16): "bad name",
        int(second.trace_id, 16): "worse name",
    }


async def test_of_a_letter_that_is_too_large_what_fits_is_kept(spans: Emitted) -> None:
    broker = MemoryBroker(record_bytes_max=300_000)
    huge = [("huge", b"h" * 280_000)]
    record = Record("events.raw", 3, 7, 1, 2, 0, b"k" * 50_000, b"v" * 280_000, huge)
    async with broker.producer() as producer:
        await stage.DeadLetters(producer, REPLICA, spans).bury(record, None, "broken", 1)

    (letter,) = broker.records("events.raw.dlq")
    headers = dict(letter.headers)
    assert letter.value == b"v" * 262_144
    assert headers["dlq.value.bytes"] == b"280000"
    assert (headers["dlq.orig.offset"], headers["dlq.error.message"]) == (b"7", b"broken")


class RefusingLater:
    """A broker that takes what it is given, and then refuses the largest record of a topic."""

    def __init__(self, inner: Producer, topic: str, record_bytes_max: int) -> None:
        self._inner = inner
        self._topic = topic
        self._record_bytes_max = record_bytes_max

    def check(self) -> None:
        self._inner.check()

    async def send(self, record: Outgoing) -> asyncio.Future[Ack]:
        if record.topic != self._topic or len(record.value or b"") <= self._record_bytes_max:
            return await self._inner.send(record)
        refused: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        refused.set_exception(Rejected("too large for the topic"))
        return refused


async def test_a_record_that_the_broker_refuses_late_is_a_dead_letter_and_the_next_goes_on() -> (
    None
):
    broker, emitter = MemoryBroker(), Emitted()
    async with broker.producer() as producer:
        refusing = RefusingLater(producer, "events.normalized", 2_000)
        hop = stage.Transform(writes="events.normalized", decode=decode_raw, handle=pass_on)
        work = stage.forward(hop, REPLICA, refusing, emitter)
        for name in ("large" * 500, "small"):
            broker.append(raw(request_batch(name)))
        await work(broker.records("events.raw"))

    (letter,) = broker.records("events.raw.dlq")
    (onward,) = broker.records("events.normalized")
    assert decode(RawBatch, letter.value).events[0].name == "large" * 500
    assert dict(letter.headers)["dlq.error.message"] == b"too large for the topic"
    assert decode(NormalBatch, onward.value).events[0].name == "small"
    (root,) = emitter.roots()
    assert root.error_type
