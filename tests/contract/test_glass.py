"""glass on a real PostgreSQL, under a tenant of each test's own."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from libs.errors import Unavailable
from services.glass import query
from services.glass.query import Events, Question
from services.glass.settings import Settings
from services.sink import schema
from tests.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1_900)]

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
_INSERT = """
insert into event (tenant, event_id, name, value, timestamp, attributes, trace_id, received_at,
                   stored_at)
values ($1, $2, $3, $4, $5, '{"host": "a"}', $6, $5, $5)
"""


@pytest.fixture
def tenant() -> str:
    return f"test-{uuid.uuid4()}"


@pytest.fixture
async def database(stack: Stack) -> AsyncGenerator[asyncpg.Connection]:
    connection = await asyncpg.connect(stack.values["DATABASE_URL"])
    await schema.apply(connection)
    yield connection
    await connection.close()


@pytest.fixture
async def events(stack: Stack) -> AsyncGenerator[Events]:
    settings = Settings.model_validate(
        {"DATABASE_URL": stack.values["DATABASE_URL"], "query_timeout_s": 0.2}
    )
    async with query.opened(settings) as events:
        yield events


async def insert(database: asyncpg.Connection, tenant: str, name: str, time: datetime) -> uuid.UUID:
    event_id = uuid.uuid4()
    await database.execute(_INSERT, tenant, event_id, name, 1.5, time, "a" * 32)
    return event_id


async def test_an_event_is_found_by_its_id_with_and_without_its_tenant(
    database: asyncpg.Connection, events: Events, tenant: str
) -> None:
    event_id = await insert(database, tenant, "cpu", NOON)

    (of_tenant,) = await events.find(Question(event_id=event_id), tenant)
    (of_all,) = await events.find(Question(event_id=event_id), None)

    assert of_tenant == of_all
    assert (of_all.tenant, of_all.event_id) == (tenant, str(event_id))
    assert of_all.timestamp == "2026-01-02T12:00:00.000000Z"
    assert bytes(of_all.attributes) == b'{"host": "a"}'


async def test_another_tenants_event_is_not_found(
    database: asyncpg.Connection, events: Events, tenant: str
) -> None:
    event_id = await insert(database, tenant, "cpu", NOON)

    assert await events.find(Question(event_id=event_id), "another") == []
    assert await events.find(Question(name="cpu"), "another") == []


async def test_the_newest_events_of_a_name_come_first(
    database: asyncpg.Connection, events: Events, tenant: str
) -> None:
    name = f"cpu.{tenant}"
    times = [NOON + timedelta(seconds=second) for second in range(4)]
    ids = [str(await insert(database, tenant, name, time)) for time in times]

    found = await events.find(Question(name=name, since=times[1], limit=2), None)

    assert [event.event_id for event in found] == [ids[3], ids[2]]
    since = await events.find(Question(name=name, since=times[1]), None)
    assert [event.event_id for event in since] == [ids[3], ids[2], ids[1]]


async def test_a_question_that_takes_too_long_is_unavailable(
    database: asyncpg.Connection, events: Events
) -> None:
    async with database.transaction():
        await database.execute("lock table event in access exclusive mode")
        with pytest.raises(Unavailable, match="took too long"):
            await events.find(Question(name="cpu"), None)

    await events.check()
