"""Runs normalize: `python -m services.normalize`."""

from __future__ import annotations

import structlog

from libs import kafka, logs, stage, tracing
from libs.events import NormalBatch, Outcome, RawBatch
from libs.kafka import Record
from services.normalize.foreign import Place, decode_raw
from services.normalize.rules import normalize
from services.normalize.settings import Settings
from services.topology import NORMALIZE


async def main() -> None:
    settings = Settings()
    place = stage.Place(NORMALIZE.stage, settings.replica)
    logs.setup(place.stage, place.replica)
    stop = stage.stop_on_signal()

    # Read down: start order. Read up: stop order, so the last spans leave after the last commit.
    async with (
        tracing.exporting(place.stage, place.replica) as emitter,
        kafka.producer(settings.kafka, place.client_id) as producer,
        kafka.consumer(
            settings.kafka,
            NORMALIZE.reads,
            group=place.stage,
            client_id=place.client_id,
            poll_records_max=settings.poll_records_max,
        ) as consumer,
    ):
        hop = stage.Hop(writes=NORMALIZE.writes, decode=decode, handle=handle)
        structlog.get_logger().info("ready")
        await stage.run(consumer, stage.forward(hop, place, producer, emitter), stop)


def decode(record: Record) -> RawBatch:
    carried = tracing.read_headers(record.headers)
    place = Place(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        appended_us=record.appended_us,
        traceparent=carried.traceparent,
        tracestate=carried.tracestate,
    )
    return decode_raw(record.value, place)


async def handle(batch: RawBatch) -> Outcome[NormalBatch]:
    return normalize(batch)


if __name__ == "__main__":
    stage.launch(main)
