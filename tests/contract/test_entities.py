"""The table of entities on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator

import asyncpg
import pytest

from libs.errors import Unavailable
from services.decorate.lookup import TableSource
from services.decorate.rules import Entity
from tests.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1_900)]


@pytest.fixture
async def url(stack: Stack) -> AsyncGenerator[str]:
    """A database of the test's own."""
    name = f"test_{uuid.uuid4().hex}"
    owner = await asyncpg.connect(stack.values["DATABASE_URL"])
    await owner.execute(f"create database {name}")
    yield stack.values["DATABASE_URL"].rsplit("/", 1)[0] + f"/{name}"
    await owner.execute(f"drop database {name} with (force)")
    await owner.close()


async def test_replicas_that_start_together_make_one_empty_table(url: str) -> None:
    found = await asyncio.gather(*(TableSource(url).read() for _ in range(4)))

    assert [entities.entities for entities in found if entities is not None] == [{}] * 4


async def test_every_change_is_read_once_whoever_makes_it(url: str) -> None:
    source = TableSource(url)
    await source.read()
    operator = await asyncpg.connect(url)
    changes = {
        "insert into entity values ('a', 'amelia', 'one', 'eu')": Entity("amelia", "one", "eu"),
        "update entity set team = 'two'": Entity("amelia", "two", "eu"),
        "delete from entity": None,
    }
    for change, wanted in changes.items():
        await operator.execute(change)
        entities = await source.read()

        assert entities is not None
        assert entities.entities.get("a") == wanted
        assert await source.read() is None
    await operator.close()


async def test_a_table_that_cannot_be_read_is_unavailable_and_read_when_it_is_back(
    url: str,
) -> None:
    source = TableSource(url)
    await source.read()
    operator = await asyncpg.connect(url)
    await operator.execute("insert into entity values ('a'); alter table entity rename to gone")

    with pytest.raises(Unavailable, match="the table entity"):
        await source.read()
    await operator.execute("alter table gone rename to entity")
    entities = await source.read()

    assert entities is not None
    assert entities.entities == {"a": Entity()}
    await operator.close()
