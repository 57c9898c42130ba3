"""Programs that find a limit: one hop that only carries, and COPY alone.

    python -m bench.peers.programs.limits hop
    python -m bench.peers.programs.limits copy

Each says that it is ready, works until its task is done, and prints what that took as JSON.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from bench.peers.programs import task

COPY_ROWS = 5_000
_POLL_RECORDS_MAX = 500
_POLL_TIMEOUT_MS = 200


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to do: so many events, a record of the hop holds `record_events` of them."""

    events: int
    record_events: int
    reads: str = ""
    writes: str = ""
    table: str = ""


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What it took, in all."""

    events: int
    took_s: float
    cpu_s: float


async def hop(given: Task) -> Done:
    """Carry records from one topic to the next as they are, and wait for each poll's acks."""
    left = given.events // given.record_events
    async with _clients(given.reads) as (consumer, producer):
        task.say_ready()
        began_s, cpu_s = time.monotonic(), time.process_time()
        while left > 0:
            polled = await consumer.getmany(
                timeout_ms=_POLL_TIMEOUT_MS, max_records=_POLL_RECORDS_MAX
            )
            records = [record for each in polled.values() for record in each]
            await asyncio.gather(
                *[await producer.send(given.writes, record.value) for record in records]
            )
            left -= len(records)
        return _done(given.events, began_s, cpu_s)


async def copy(given: Task) -> Done:
    """Copy rows that are made already, so many at once."""
    rows = list(_rows(given.events))
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    task.say_ready()
    began_s, cpu_s = time.monotonic(), time.process_time()
    for start in range(0, len(rows), COPY_ROWS):
        await connection.copy_records_to_table(
            given.table, records=rows[start : start + COPY_ROWS], columns=task.COLUMNS
        )
    done = _done(given.events, began_s, cpu_s)
    await connection.close()
    return done


@asynccontextmanager
async def _clients(reads: str) -> AsyncGenerator[tuple[AIOKafkaConsumer, AIOKafkaProducer]]:
    servers = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
    consumer = AIOKafkaConsumer(
        reads, bootstrap_servers=servers, group_id=reads, auto_offset_reset="earliest"
    )
    producer = AIOKafkaProducer(bootstrap_servers=servers)
    await consumer.start()
    await producer.start()
    try:
        yield consumer, producer
    finally:
        await producer.stop()
        await consumer.stop()


def _rows(count: int) -> Iterator[tuple[Any, ...]]:
    at = datetime.now(UTC)
    for number in range(count):
        event_id = f"{number:08x}-0000-7000-8000-000000000000"
        attributes = '{"entity":"checkout","run":"019aa2a0-0000-7000-8000-000000000000"}'
        yield (event_id, "checkout.latency", 0.12, "s", at, attributes, "amelia", "payments",
               "eu-central")  # fmt: skip


def _done(events: int, began_s: float, cpu_s: float) -> Done:
    return Done(
        events=events,
        took_s=time.monotonic() - began_s,
        cpu_s=time.process_time() - cpu_s,
    )


if __name__ == "__main__":
    kind, written = sys.argv[1:]
    measured = uvloop.run({"hop": hop, "copy": copy}[kind](msgspec.json.decode(written, type=Task)))
    sys.stdout.write(msgspec.json.encode(measured).decode() + "\n")
