"""As the first blog about it does: aiokafka, its official instrumentation, an event at a time.

    python -m bench.peers.programs.blog normalize

The instrumentation leaves no span active in the loop, so each hop begins a trace of its own.
"""

from __future__ import annotations

import asyncio

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from opentelemetry.instrumentation.aiokafka import AIOKafkaInstrumentor

from bench.peers.programs import spans, task
from bench.peers.programs.task import Place


async def main() -> None:
    """Run one stage."""
    place = task.place()
    spans.export(place.service)
    AIOKafkaInstrumentor().instrument()
    consumer = AIOKafkaConsumer(
        place.reads,
        bootstrap_servers=place.servers,
        group_id=place.group,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        await (forward(consumer, place) if place.writes else store(consumer, place))
    finally:
        await consumer.stop()


async def forward(consumer: AIOKafkaConsumer, place: Place) -> None:
    """Work on each event and wait until the next topic has it."""
    work = task.work(place.stage)
    producer = AIOKafkaProducer(bootstrap_servers=place.servers)
    await producer.start()
    try:
        task.say_ready()
        async for record in consumer:
            await producer.send_and_wait(place.writes, work(record.value))
    finally:
        await producer.stop()


async def store(consumer: AIOKafkaConsumer, place: Place) -> None:
    """Insert each event."""
    connection = await asyncpg.connect(place.database_url)
    try:
        task.say_ready()
        async for record in consumer:
            await connection.execute(task.insert(place.table), *task.row(record.value))
    finally:
        await connection.close()


if __name__ == "__main__":
    asyncio.run(main())
