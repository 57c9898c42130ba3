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
    replica = stage.Replica(DECORATE.stage, settings.replica)
    logs.setup(replica.stage, replica.number)
    stop = stage.stop_on_signal()
    health = stage.Health(settings.health, stop)
    source = lookup.source(settings.entities, settings.database_url.get_secret_value())

    # Read down: start order. Read up: stop order, so the last spans leave after the last commit.
    async with (
        health.kept(),
        tracing.exporting(replica.stage, replica.number) as emitter,
        lookup.following(source, settings.reload_s, stop) as found,
        kafka.producer(settings.kafka, replica.client_id) as producer,
        kafka.consumer(
            settings.kafka,
            DECORATE.reads,
            group=replica.stage,
            client_id=replica.client_id,
            poll_records_max=settings.poll_records_max,
        ) as consumer,
        health.reading(consumer),
    ):

        async def handle(batch: NormalBatch) -> Outcome[DecoratedBatch]:
            return Outcome(decorate(batch, found.entities))

        transform = stage.Transform(
            writes=DECORATE.writes,
            decode=lambda record: decode(NormalBatch, record.value),
            handle=handle,
            failpoints=stage.Failpoints(settings.failpoints),
        )
        health.needs(producer.check)
        structlog.get_logger().info("ready")
        await stage.run(consumer, stage.forward(transform, replica, producer, emitter), stop)


if __name__ == "__main__":
    stage.launch(main)
