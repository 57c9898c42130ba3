"""Runs decorate: `python -m services.decorate`."""

from __future__ import annotations

import structlog

from libs import kafka, logs, stage, tracing
from libs.events import DecoratedBatch, NormalBatch, Outcome, decode
from services.decorate import lookup
from services.decorate.rules import decorate
from services.decorate.settings import Settings
from services.topology import DECORATE


async def main() -> None:
    settings = Settings()
    place = stage.Place(DECORATE.stage, settings.replica)
    logs.setup(place.stage, place.replica)
    stop = stage.stop_on_signal()
    source = lookup.source(settings.entities, settings.database_url.get_secret_value())

    # Read down: start order. Read up: stop order, so the last spans leave after the last commit.
    async with (
        tracing.exporting(place.stage, place.replica) as emitter,
        lookup.following(source, settings.reload_s) as found,
        kafka.producer(settings.kafka, place.client_id) as producer,
        kafka.consumer(
            settings.kafka,
            DECORATE.reads,
            group=place.stage,
            client_id=place.client_id,
            poll_records_max=settings.poll_records_max,
        ) as consumer,
    ):

        async def handle(batch: NormalBatch) -> Outcome[DecoratedBatch]:
            return Outcome(decorate(batch, found.entities))

        hop = stage.Hop(
            writes=DECORATE.writes,
            decode=lambda record: decode(NormalBatch, record.value),
            handle=handle,
        )
        structlog.get_logger().info("ready")
        await stage.run(consumer, stage.forward(hop, place, producer, emitter), stop)


if __name__ == "__main__":
    stage.launch(main)
