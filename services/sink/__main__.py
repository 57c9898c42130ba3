"""Runs the sink: `python -m services.sink`."""

from __future__ import annotations

import structlog

from libs import kafka, logs, postgres, stage, tracing
from services.sink import store
from services.sink.settings import Settings
from services.sink.write import Writer
from services.topology import SINK


async def main() -> None:
    settings = Settings()
    replica = stage.Replica(SINK.stage, settings.replica)
    logs.setup(replica.stage, replica.number)
    stop = stage.stop_on_signal()
    health = stage.Health(settings.health, stop)
    url = settings.database_url.get_secret_value()
    failpoints, patience_s = stage.Failpoints(settings.failpoints), settings.database_patience_s

    # Read down: start order. Read up: stop order, so the last spans leave after the last commit.
    async with (
        health.kept(),
        tracing.exporting(replica.stage, replica.number) as emitter,
        store.opened(url, replica.client_id, failpoints, patience_s=patience_s) as events,
        postgres.probing(url, replica.client_id) as ask,
        kafka.consumer(
            settings.kafka,
            SINK.reads,
            group=replica.stage,
            client_id=replica.client_id,
            poll_records_max=settings.poll_records_max,
            positions=events,
        ) as consumer,
        health.reading(consumer),
    ):
        health.depends_on("PostgreSQL", ask)
        limit = stage.DeadLetterLimit(stage.DeadLetterSettings())
        writer = Writer(events, limit, emitter, replica, settings.transaction_events_max)
        structlog.get_logger().info("ready")
        await stage.run(consumer, writer.work, stop)
        writer.end()


if __name__ == "__main__":
    stage.launch(main)
