"""What the bench reads from a table: the steady part of a run, and how long events took."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from bench.peers.table import Steady, Table
from tools.errors import OperatorError

pytestmark = pytest.mark.stack
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
BEGAN_S = BEGAN.timestamp()


@pytest.fixture
async def table(asking: asyncpg.Connection[asyncpg.Record]) -> AsyncGenerator[Table]:
    table = Table(asking, f"peer_{uuid.uuid4().hex}")
    await table.create()
    yield table
    await table.drop()


async def store(
    asking: asyncpg.Connection[asyncpg.Record], table: Table, *stored_s: float, took_s: float = 0.5
) -> None:
    """Store rows in one transaction, each at a second of the run, made so long before."""
    rows = [
        (uuid.uuid4(), "n", 1.0, at - timedelta(seconds=took_s), "{}", at)
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

    found = await table.steady()
    assert found == Steady(3, BEGAN_S + 1.2, BEGAN_S + 3.2)
    assert found.took_s == pytest.approx(2.0)


async def test_one_transaction_is_not_enough(
    asking: asyncpg.Connection[asyncpg.Record], table: Table
) -> None:
    await store(asking, table, 1.0, 1.1, 1.2)

    with pytest.raises(OperatorError, match="3 events came in one transaction; measure more"):
        await table.steady()


async def test_half_of_the_events_and_99_of_100_take_so_long_at_most(
    asking: asyncpg.Connection[asyncpg.Record], table: Table
) -> None:
    for ms in range(1, 102):
        await store(asking, table, 10.0, took_s=ms / 1_000)

    found = await table.latency(BEGAN_S)
    assert found.events == 101
    assert (found.p50_ms, found.p99_ms) == pytest.approx((51, 100))


async def test_events_of_the_warm_up_do_not_count(
    asking: asyncpg.Connection[asyncpg.Record], table: Table
) -> None:
    await store(asking, table, 1.0, took_s=0.9)
    await store(asking, table, 3.0, took_s=0.25)

    found = await table.latency(BEGAN_S + 2)
    assert found.events == 1
    assert (found.p50_ms, found.p99_ms) == pytest.approx((250, 250))


async def test_rows_are_counted_when_the_table_has_stopped_growing(
    asking: asyncpg.Connection[asyncpg.Record], table: Table
) -> None:
    await store(asking, table, 1.0, 1.1)

    assert await table.look()
    assert table.count == 0
    assert not await table.look()
    assert table.count == 2
