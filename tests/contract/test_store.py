"""The store and the sink's work on a real PostgreSQL, under a tenant of each test's own."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator

import msgspec
import pytest

from libs import stage, tracing
from libs.errors import Rejected, Unavailable
from libs.events import DecoratedBatch, DecoratedEvent, Origin, encode
from libs.kafka import Record
from libs.kafka.memory import MemoryBroker
from services.sink import store
from services.sink.rules import Counts, Row, rows
from services.sink.store import Store
from services.sink.write import Writer
from tests.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1_900)]

NOW = "2026-01-01T00:00:00.000000Z"


class Collected:
    def __init__(self) -> None:
        self.spans: list[tracing.Span] = []

    def emit(self, span: tracing.Span) -> None:
        self.spans.append(span)

    def roots(self) -> list[tracing.Span]:
        return [span for span in self.spans if span.name == "time to glass"]


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


def record_of(batch: DecoratedBatch | bytes, offset: int = 0) -> Record:
    value = batch if isinstance(batch, bytes) else encode(batch)
    return Record("events.decorated", 0, offset, 1, 2, 0, None, value, [])


async def test_new_rows_are_stored_without_a_conflict(events: Store, tenant: str) -> None:
    receipt = await events.write(rows([batch_of(tenant)]))

    assert receipt.conflicts == {}
    assert receipt.copy_us <= receipt.insert_us <= receipt.commit_us <= receipt.committed_us


async def test_the_same_rows_again_are_known_as_delivered_again(events: Store, tenant: str) -> None:
    made = rows([batch_of(tenant)])
    await events.write(made)

    receipt = await events.write(made)

    assert receipt.conflicts == {0: Counts(stored=0, delivered_again=3, already_there=0)}
    assert receipt.conflicts[0].is_repeat


async def test_another_requests_copy_of_an_event_is_already_there(
    events: Store, tenant: str
) -> None:
    first, second = batch_of(tenant, 1), batch_of(tenant, 2)
    twice = msgspec.structs.replace(second, events=[first.events[0], second.events[1]])
    await events.write(rows([first]))

    receipt = await events.write(rows([twice]))

    assert receipt.conflicts == {0: Counts(stored=1, delivered_again=0, already_there=1)}


async def test_one_id_of_two_tenants_is_two_events(events: Store, tenant: str) -> None:
    (row,) = rows([batch_of(tenant, 1)])

    receipt = await events.write([row, row._replace(origin=1, tenant=tenant + "-other")])

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
    made = rows([batch_of(tenant, 2)])
    spoilt: list[Row] = [made[0], made[1]._replace(**bad)]

    with pytest.raises(Rejected):
        await events.write(spoilt)

    assert (await events.write(made)).conflicts == {}


async def test_a_store_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        async with store.opened("postgresql://nobody@127.0.0.1:1/none", "test"):
            pass


async def work(events: Store, spans: Collected, *records: Record) -> MemoryBroker:
    broker = MemoryBroker()
    place = stage.Place("sink", 0)
    async with broker.producer() as producer:
        letters = stage.DeadLetters(producer, place, spans)
        await Writer(events, letters, spans, place, transaction_events_max=4).work(list(records))
    return broker


async def test_every_request_ends_with_one_root_however_often_it_comes(
    events: Store, tenant: str
) -> None:
    batch = batch_of(tenant)
    first, again = Collected(), Collected()

    await work(events, first, record_of(batch), record_of(batch, offset=1))
    await work(events, again, record_of(batch))

    assert [root.attributes["ttg.events.stored"] for root in first.roots()] == [3]
    assert again.roots() == []


async def test_records_above_the_limit_of_a_transaction_are_all_stored(
    events: Store, tenant: str
) -> None:
    spans = Collected()

    await work(events, spans, *(record_of(batch_of(tenant), n) for n in range(5)))

    assert len(spans.roots()) == 5


async def test_only_the_last_part_of_a_request_ends_it(events: Store, tenant: str) -> None:
    batch = batch_of(tenant)
    part = msgspec.structs.replace(batch.origins[0], is_last=False)
    spans = Collected()

    await work(events, spans, record_of(msgspec.structs.replace(batch, origins=[part])))

    assert spans.roots() == []


async def test_one_poisoned_record_is_dead_lettered_and_its_neighbours_are_stored(
    events: Store, tenant: str
) -> None:
    good, bad = batch_of(tenant), batch_of(tenant)
    poisoned = [*bad.events[:2], msgspec.structs.replace(bad.events[2], timestamp="never")]
    bad = msgspec.structs.replace(bad, events=poisoned)
    spans = Collected()

    broker = await work(events, spans, record_of(good), record_of(bad, 1), record_of(b"junk", 2))

    letters = [dict(r.headers) for r in broker.records("events.decorated.dlq")]
    assert [letter["dlq.orig.offset"] for letter in letters] == [b"2", b"1"]
    outcomes = {root.error_type for root in spans.roots()}
    assert outcomes == {"", "dead_lettered"}
