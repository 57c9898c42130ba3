"""What the bench reads from a table: the steady part of a run, and how long events took."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from bench.peers import table as tables
from bench.peers.table import Steady
from bench.watch import table as watched
from bench.watch.table import Table, Window
from tools.errors import OperatorError
from tools.load.plan import NAMES

pytestmark = pytest.mark.stack
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
BEGAN_S = BEGAN.timestamp()


@pytest.fixture
async def table(asking: asyncpg.Connection[asyncpg.Record]) -> AsyncGenerator[Table]:
    async with tables.made(asking, f"peer_{uuid.uuid4().hex}") as table:
        yield table


async def store(
    asking: asyncpg.Connection[asyncpg.Record],
    table: Table,
    *stored_s: float,
    took_s: float = 0.5,
    name: str = "n",
) -> None:
    """Store rows in one transaction, each at a second of the run, made so long before."""
    rows = [
        (uuid.uuid4(), name, 1.0, at - timedelta(seconds=took_s), "{}", at)
        for at in (BEGAN + timedelta(seconds=s) for s in stored_s)
    ]
    columns = ("event_id", "name", "value", "timestamp", "attributes", "stored_at")
    await asking.copy_records_to_table(table.name, records=rows, columns=columns)


async def test_it_is_measured_from_the_end_of_the_first_transaction(
    asking: asyncpg.Connection[asyncpg.Record], table: Table
) -> None:
    await store(asking, table, 1.0, 1.1, 1.2)
    await store(asking, table, 2.0, 2.1)
    await store(asking, table, 3.2)

    found = await tables.steady(table)
    assert found == Steady(3, BEGAN_S + 1.2, BEGAN_S + 3.2)
    assert found.took_s == pytest.approx(2.0)


async def test_one_transaction_is_not_enough(
    asking: asyncpg.Connection[asyncpg.Record], table: Table
) -> None:
    await store(asking, table, 1.0, 1.1, 1.2)

    with pytest.raises(OperatorError, match="3 events came in one transaction; measure more"):
        await tables.steady(table)


async def test_half_of_the_events_and_99_of_100_take_so_long_at_most(
    asking: asyncpg.Connection[asyncpg.Record], table: Table
) -> None:
    for ms in range(1, 102):
        await store(asking, table, 10.0, took_s=ms / 1_000)

    found = await tables.latency(table, BEGAN_S)
    assert found.events == 101
    assert (found.p50_ms, found.p99_ms) == pytest.approx((51, 100))


async def test_events_of_the_warm_up_do_not_count(
    asking: asyncpg.Connection[asyncpg.Record], table: Table
) -> None:
    await store(asking, table, 1.0, took_s=0.9)
    await store(asking, table, 3.0, took_s=0.25)

    found = await tables.latency(table, BEGAN_S + 2)
    assert found.events == 1
    assert (found.p50_ms, found.p99_ms) == pytest.approx((250, 250))


async def test_rows_are_waited_for_until_they_are_all_there(
    asking: asyncpg.Connection[asyncpg.Record], table: Table, url: str
) -> None:
    await store(asking, table, 1.0, 1.1)
    looked = asyncio.Event()

    async def store_more() -> None:
        await looked.wait()
        await store(other, table, 2.0)

    other = await asyncpg.connect(url)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(store_more())
        await table.until(3, lambda: None, lambda _said: looked.set())
    await other.close()

    assert await table.count() == 3
    assert await table.window() == Window(BEGAN_S + 1.0, BEGAN_S + 2.0)


async def test_only_what_was_received_since_a_moment_counts(
    asking: asyncpg.Connection[asyncpg.Record], table: Table
) -> None:
    await store(asking, table, 1.0, 3.0, name=NAMES[0])
    await store(asking, table, 4.0, name="of somebody else")

    assert await table.count(BEGAN_S + 2) == 1
    assert await table.count() == 3
    assert await table.window(BEGAN_S + 2) == Window(BEGAN_S + 3.0, BEGAN_S + 3.0)


async def test_rows_that_do_not_come_are_an_error(
    asking: asyncpg.Connection[asyncpg.Record], table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched, "_STALL_LIMIT_S", 0.3)
    await store(asking, table, 1.0, 1.1)

    with pytest.raises(OperatorError, match="Only 2 of 3 events came out"):
        await table.until(3, lambda: None, lambda _said: None)


async def test_who_fills_the_table_is_asked_whether_it_still_does(table: Table) -> None:
    def check() -> None:
        raise OperatorError("sink ended with code 1")

    with pytest.raises(OperatorError, match="sink ended"):
        await table.until(1, check, lambda _said: None)
