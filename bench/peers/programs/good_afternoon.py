"""As an engineer with a good afternoon would: polls, acks in flight, spans of its own, COPY.

    python -m bench.peers.programs.good_afternoon normalize

With `OTEL_SDK_DISABLED=true` the same without any tracing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import asyncpg
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind

from bench.peers.programs import spans, task
from bench.peers.programs.task import Place

_POLL_RECORDS_MAX = 1_000
_POLL_TIMEOUT_MS = 200


class Forward:
    """Works on a poll, and waits until the next topic has all of it."""

    def __init__(self, producer: AIOKafkaProducer, place: Place) -> None:
        self._producer = producer
        self._place = place
        self._work = task.work(place.stage)
        self._pass_on = self._traced if task.is_traced() else self._plain
        self._tracer = trace.get_tracer(place.stage)

    async def __call__(self, records: Sequence[ConsumerRecord]) -> None:
        """Handle one poll."""
        await asyncio.gather(*[await self._pass_on(record) for record in records])

    async def _plain(self, record: ConsumerRecord) -> asyncio.Future[object]:
        return await self._producer.send(self._place.writes, self._work(record.value))

    async def _traced(self, record: ConsumerRecord) -> asyncio.Future[object]:
        span = self._tracer.start_span(
            f"process {record.topic}", _context(record), SpanKind.CONSUMER
        )
        with trace.use_span(span, end_on_exit=True):
            value = self._work(record.value)
            sending = self._tracer.start_span(f"send {self._place.writes}", kind=SpanKind.PRODUCER)
            carrier: dict[str, str] = {}
            propagate.inject(carrier, trace.set_span_in_context(sending))
            headers = [(name, text.encode()) for name, text in carrier.items()]
            ack = await self._producer.send(self._place.writes, value, headers=headers)
        ack.add_done_callback(lambda _ack: sending.end())
        return ack


class Store:
    """Copies a poll into the table."""

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record], place: Place) -> None:
        self._connection = connection
        self._table = place.table
        self._tracer = trace.get_tracer(place.stage) if task.is_traced() else None

    async def __call__(self, records: Sequence[ConsumerRecord]) -> None:
        """Handle one poll."""
        opened = self._opened(records)
        await self._connection.copy_records_to_table(
            self._table,
            records=[task.row(record.value) for record in records],
            columns=task.COLUMNS,
        )
        for span in opened:
            span.end()

    def _opened(self, records: Sequence[ConsumerRecord]) -> list[Span]:
        if self._tracer is None:
            return []
        return [
            self._tracer.start_span(f"process {each.topic}", _context(each), SpanKind.CONSUMER)
            for each in records
        ]


def _context(record: ConsumerRecord) -> Context:
    return propagate.extract({name: value.decode() for name, value in record.headers})


async def main() -> None:
    """Run one stage."""
    place = task.place()
    if task.is_traced():
        spans.export(place.service)
    consumer = AIOKafkaConsumer(
        place.reads,
        bootstrap_servers=place.servers,
        group_id=place.group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    producer = AIOKafkaProducer(bootstrap_servers=place.servers)
    await consumer.start()
    await producer.start()
    connection = await asyncpg.connect(place.database_url)
    handle = Forward(producer, place) if place.writes else Store(connection, place)
    task.say_ready()
    while True:
        polled = await consumer.getmany(timeout_ms=_POLL_TIMEOUT_MS, max_records=_POLL_RECORDS_MAX)
        if polled:
            await handle([record for records in polled.values() for record in records])
            await consumer.commit()


if __name__ == "__main__":
    uvloop.run(main())
