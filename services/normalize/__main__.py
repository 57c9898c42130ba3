"""Runs normalize: `python -m services.normalize`."""

from __future__ import annotations

import structlog

from libs import kafka, logs, stage, tracing
from libs.events import NormalBatch, Outcome, RawBatch
from libs.kafka import Record
from services.normalize.foreign import Position, decode_raw
from services.normalize.rules import normalize
from services.normalize.settings import Settings
from services.topology import NORMALIZE


async def main() -> None:
    settings = Settings()
    replica = stage.Replica(NORMALIZE.stage, settings.replica)
    logs.setup(replica.stage, replica.number)
    stop = stage.stop_on_signal()
    health = stage.Health(settings.health, stop)

    # Read down: start order. Read up: stop order, so the last spans leave after the last commit.
    async with (
        health.kept(),
        tracing.exporting(replica.stage, replica.number) as emitter,
        kafka.producer(settings.kafka, replica.client_id) as producer,
        kafka.consumer(
            settings.kafka,
            NORMALIZE.reads,
            group=replica.stage,
            client_id=replica.client_id,
            poll_records_max=settings.poll_records_max,
        ) as consumer,
        health.reading(consumer),
    ):
        failpoints = stage.Failpoints(settings.failpoints)
        transform = stage.Transform(NORMALIZE.writes, decode, handle, failpoints)
        health.needs(producer.check)
        structlog.get_logger().info("ready")
        await stage.run(consumer, stage.forward(transform, replica, producer, emitter), stop)


def decode(record: Record) -> RawBatch:
    carried = tracing.read_headers(record.headers)
    traceparent, tracestate = tracing.adopt(carried.traceparent, carried.tracestate)
    position = Position(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        appended_us=record.appended_us,
        traceparent=traceparent,
        tracestate=tracestate,
    )
    return decode_raw(record.value, position)


async def handle(batch: RawBatch) -> Outcome[NormalBatch]:
    return normalize(batch)


if __name__ == "__main__":
    stage.launch(main)
