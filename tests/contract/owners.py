"""Owners of a partition, and what the store has of one."""

from __future__ import annotations

from itertools import count

import asyncpg

from libs import stage
from libs.kafka import Partition
from libs.stage import Failpoints
from services.sink.rules import incoming
from services.sink.store import Store, Transaction
from services.sink.write import Writer
from tests.contract.test_store import batch_of
from tests.emitted import Emitted

_names = count()


def owner(url: str, failpoints: str = "", name: str = "fence") -> Store:
    return Store(url, f"{name}-{next(_names)}", Failpoints(failpoints))


async def stored(asking: asyncpg.Connection[asyncpg.Record], tenant: str) -> int:
    return await asking.fetchval("select count(*) from event where tenant = $1", tenant)


async def kept(asking: asyncpg.Connection[asyncpg.Record], partition: Partition) -> int:
    return await asking.fetchval(
        "select next_offset from sink_offset where topic = $1 and part = $2", *partition
    )


def writer_of(events: Store, spans: Emitted) -> Writer:
    return Writer(
        events,
        stage.DeadLetterLimit(stage.DeadLetterSettings()),
        spans,
        stage.Replica("sink", 0),
        transaction_events_max=10,
    )


def one_event(tenant: str, partition: Partition, end: int) -> Transaction:
    return Transaction(incoming([batch_of(tenant, 1)]), ends={partition: end})
