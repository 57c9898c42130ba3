"""Runs the sink: `python -m services.sink`."""

from __future__ import annotations

import structlog

from libs import kafka, logs, stage, tracing
from services.sink import store
from services.sink.settings import Settings
from services.sink.write import Writer
from services.topology import SINK


async def main() -> None:
    settings = Settings()
    place = stage.Place(SINK.stage, settings.replica)
    logs.setup(place.stage, place.replica)
    stop = stage.stop_on_signal()

    # Read down: start order. Read up: stop order, so the last spans leave after the last commit.
    async with (
        tracing.exporting(place.stage, place.replica) as emitter,
        store.opened(settings.database_url.get_secret_value(), place.client_id) as events,
        kafka.producer(settings.kafka, place.client_id) as producer,
        kafka.consumer(
            settings.kafka,
            SINK.reads,
            group=place.stage,
            client_id=place.client_id,
            poll_records_max=settings.poll_records_max,
        ) as consumer,
    ):
        letters = stage.DeadLetters(producer, place, emitter)
        writer = Writer(events, letters, emitter, place, settings.transaction_events_max)
        structlog.get_logger().info("ready")
        await stage.run(consumer, writer.work, stop)


if __name__ == "__main__":
    stage.launch(main)
