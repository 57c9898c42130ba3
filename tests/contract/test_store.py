"""The store and the sink's work on a real PostgreSQL, under a tenant of each test's own."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import AsyncGenerator
from itertools import pairwise

import asyncpg
import msgspec
import pytest

from libs import stage, tracing
from libs.errors import Rejected
from libs.events import DecoratedBatch, DecoratedEvent, Origin, decode, encode
from libs.kafka import Partition, Record
from services.sink import store
from services.sink.rules import Counts, Incoming, Request, incoming
from services.sink.store import Receipt, Store, Transaction
from services.sink.write import Writer
from tests.emitted import Emitted
from tests.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1_900)]

NOW = "2026-01-01T00:00:00.000000Z"


@pytest.fixture
async def events(stack: Stack) -> AsyncGenerator[Store]:
    async with store.opened(stack.values["DATABASE_URL"], "test") as opened:
        yield opened


@pytest.fixture
def tenant() -> str:
    return uuid.uuid4().hex


def batch_of(tenant: str, count: int = 3, *, name: str = "probe") -> DecoratedBatch:
    request = tracing.begin(1_700_000_000_000_000, is_sampled=True)
    origin = Origin(
        tenant=tenant,
        received_us=request.received_us,
        first=0,
        count=count,
        total=count,
        traceparent=request.traceparent(7),
        tracestate=request.tracestate,
    )
    made = [DecoratedEvent(str(uuid.uuid4()), name, 1.5, NOW) for _ in range(count)]
    return DecoratedBatch(origins=[origin], events=made)


@pytest.fixture
def topic() -> str:
    """A topic that nobody else has claims to."""
    return f"contract.{uuid.uuid4().hex}"


def record_of(topic: str, batch: DecoratedBatch | bytes, offset: int = 0) -> Record:
    value = batch if isinstance(batch, bytes) else encode(batch)
    return Record(topic, 0, offset, 1, 2, 0, None, value, [])


async def write(events: Store, made: Incoming) -> Receipt:
    return await events.write(Transaction(made))


async def test_new_rows_are_stored_without_a_conflict(events: Store, tenant: str) -> None:
    receipt = await write(events, incoming([batch_of(tenant)]))

    assert receipt.conflicts == {}
    assert [operation.name for operation in receipt.operations] == ["COPY", "INSERT", "COMMIT"]
    for before, after in pairwise(receipt.operations):
        assert before.started_us <= before.ended_us <= after.started_us


async def test_the_same_rows_again_are_known_as_delivered_again(events: Store, tenant: str) -> None:
    made = incoming([batch_of(tenant)])
    await write(events, made)

    receipt = await write(events, made)

    assert receipt.conflicts == {0: Counts(stored=0, delivered_again=3, already_there=0)}
    assert receipt.conflicts[0].is_repeat


async def test_another_requests_copy_of_an_event_is_already_there(
    events: Store, tenant: str
) -> None:
    first, second = batch_of(tenant, 1), batch_of(tenant, 2)
    twice = msgspec.structs.replace(second, events=[first.events[0], second.events[1]])
    await write(events, incoming([first]))

    receipt = await write(events, incoming([twice]))

    assert receipt.conflicts == {0: Counts(stored=1, delivered_again=0, already_there=1)}


async def test_one_id_of_two_tenants_is_two_events(events: Store, tenant: str) -> None:
    made = incoming([batch_of(tenant, 1)])
    (row,), (request,) = made.rows, made.requests
    requests = [request, Request(tenant + "-other", request.trace_id, request.received_us)]

    receipt = await write(events, Incoming(requests, [row, row._replace(origin=1)]))

    assert receipt.conflicts == {}


@pytest.mark.parametrize(
    "bad",
    [
        {"event_id": "no-uuid"},
        {"timestamp": "yesterday-ish"},
        {"attributes": '{"a": "\\u0000"}'},
        {"name": "nul\0"},
    ],
)
async def test_a_row_that_postgresql_refuses_is_rejected_and_the_store_lives_on(
    events: Store, tenant: str, bad: dict[str, str]
) -> None:
    made = incoming([batch_of(tenant, 2)])
    bad_rows = [made.rows[0], made.rows[1]._replace(**bad)]

    with pytest.raises(Rejected):
        await write(events, Incoming(made.requests, bad_rows))

    assert (await write(events, made)).conflicts == {}


async def work(events: Store, spans: Emitted, *records: Record) -> None:
    await events.claim(Partition(records[0].topic, 0), records[0].offset)
    writer = Writer(
        events,
        stage.DeadLetterLimit(stage.DeadLetterSettings()),
        spans,
        stage.Replica("sink", 0),
        transaction_events_max=4,
    )
    await writer.work(list(records))


async def letters_of(stack: Stack, topic: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(stack.values["DATABASE_URL"])
    try:
        return await connection.fetch(
            'select * from dead_letter where topic = $1 order by "offset", event_id', topic
        )
    finally:
        await connection.close()


async def test_every_request_ends_with_one_root_however_often_it_comes(
    events: Store, tenant: str, topic: str
) -> None:
    batch = batch_of(tenant)
    first, again = Emitted(), Emitted()

    await work(events, first, record_of(topic, batch), record_of(topic, batch, offset=1))
    await work(events, again, record_of(topic, batch))

    assert [root.attributes["ttg.events.stored"] for root in first.roots()] == [3]
    assert again.roots() == []


async def test_records_above_the_limit_of_a_transaction_are_all_stored(
    events: Store, tenant: str, topic: str
) -> None:
    spans = Emitted()

    await work(events, spans, *(record_of(topic, batch_of(tenant), n) for n in range(5)))

    assert len(spans.roots()) == 5


async def test_only_the_last_part_of_a_request_ends_it(
    events: Store, tenant: str, topic: str
) -> None:
    batch = batch_of(tenant)
    part = msgspec.structs.replace(batch.origins[0], is_last=False)
    spans = Emitted()

    await work(events, spans, record_of(topic, msgspec.structs.replace(batch, origins=[part])))

    assert spans.roots() == []


def spoilt(batch: DecoratedBatch, *places: int) -> DecoratedBatch:
    """Give the events at some places a time that PostgreSQL cannot read."""
    made = [
        msgspec.structs.replace(event, timestamp="never") if place in places else event
        for place, event in enumerate(batch.events)
    ]
    return msgspec.structs.replace(batch, events=made)


async def test_refused_rows_are_found_by_their_places_and_none_is_kept(
    events: Store, tenant: str
) -> None:
    made = incoming([spoilt(batch_of(tenant, 100), 0, 57, 99)])

    refused = await events.refused(made)

    assert refused.keys() == {0, 57, 99}
    assert all("never" in reason for reason in refused.values())
    good = [row for place, row in enumerate(made.rows) if place not in refused]
    assert (await write(events, Incoming(made.requests, good))).conflicts == {}


async def test_only_the_bad_events_of_a_record_are_dead_lettered(
    events: Store, stack: Stack, tenant: str, topic: str
) -> None:
    good, bad = batch_of(tenant), spoilt(batch_of(tenant), 1)
    spans = Emitted()

    await work(
        events,
        spans,
        record_of(topic, good),
        record_of(topic, bad, 1),
        record_of(topic, b"junk", 2),
    )

    of_event, of_record = await letters_of(stack, topic)
    assert (of_event["offset"], of_record["offset"]) == (1, 2)
    alone = decode(DecoratedBatch, of_event["value"])
    assert [event.event_id for event in alone.events] == [bad.events[1].event_id]
    assert of_event["event_id"] == bad.events[1].event_id
    assert (of_event["tenant"], of_event["trace_id"]) == (tenant, bad.origins[0].trace_id)
    assert "never" in of_event["reason"]
    headers = msgspec.json.decode(of_event["headers"])
    assert headers["traceparent"] == bad.origins[0].traceparent
    assert (of_record["event_id"], of_record["value"]) == ("", b"junk")
    assert "not JSON" in of_record["reason"]
    told = [
        (root.attributes["ttg.events.stored"], root.attributes["ttg.events.dead_lettered"])
        for root in spans.roots()
    ]
    assert told == [(3, 0), (2, 1)]
    assert [root.error_type for root in spans.roots()] == ["", "dead_lettered"]


async def test_a_letter_comes_once_however_often_its_record_is_read(
    events: Store, stack: Stack, tenant: str, topic: str
) -> None:
    bad = record_of(topic, spoilt(batch_of(tenant), 1))
    await work(events, Emitted(), bad)
    async with store.opened(stack.values["DATABASE_URL"], "test") as later:
        await later.claim(Partition(topic, 0), 0)
        await later.move(Partition(topic, 0), 0)

        await work(later, Emitted(), bad)

    assert len(await letters_of(stack, topic)) == 1


async def test_a_request_whose_every_event_is_refused_ends_with_a_failed_root(
    events: Store, tenant: str, topic: str
) -> None:
    spans = Emitted()

    await work(events, spans, record_of(topic, spoilt(batch_of(tenant), 0, 1, 2)))

    (root,) = spans.roots()
    assert root.attributes["ttg.events.dead_lettered"] == 3
    assert root.error_type == "dead_lettered"


@pytest.mark.parametrize("field", ["event_id", "name", "tenant"])
@pytest.mark.parametrize("text", ["nul\0", secrets.token_urlsafe(9_000)], ids=["nul", "long"])
async def test_whatever_is_refused_becomes_a_letter_and_the_next_record_is_stored(
    events: Store, stack: Stack, topic: str, field: str, text: str
) -> None:
    tenant = uuid.uuid4().hex
    poison, good = batch_of(tenant, 2), batch_of(tenant, 1)
    if field == "tenant":
        origin = msgspec.structs.replace(poison.origins[0], tenant=text)
        poison = msgspec.structs.replace(poison, origins=[origin])
    else:
        bad = [msgspec.structs.replace(event, **{field: text}) for event in poison.events]
        poison = msgspec.structs.replace(poison, events=bad)

    await work(events, Emitted(), record_of(topic, poison), record_of(topic, good, 1))

    letters = await letters_of(stack, topic)
    assert [letter["offset"] for letter in letters] == [0, 0]
    assert decode(DecoratedBatch, letters[0]["value"]).events[0] in poison.events
    receipt = await write(events, incoming([good]))
    assert receipt.conflicts[0].delivered_again == 1


async def test_the_root_of_a_request_in_parts_counts_all_of_them(
    events: Store, tenant: str, topic: str
) -> None:
    whole = batch_of(tenant, 5)
    origin = msgspec.structs.replace(whole.origins[0], count=3, is_last=False)
    first = msgspec.structs.replace(whole, origins=[origin], events=whole.events[:3])
    origin = msgspec.structs.replace(whole.origins[0], count=2)
    last = msgspec.structs.replace(whole, origins=[origin], events=whole.events[3:])
    spans = Emitted()

    await work(events, spans, record_of(topic, spoilt(first, 0)), record_of(topic, last, 1))

    (root,) = spans.roots()
    assert root.attributes["ttg.request.events"] == 5
    assert root.attributes["ttg.events.stored"] == 4
    assert root.attributes["ttg.events.dead_lettered"] == 1
    assert root.error_type == "dead_lettered"
