"""Runs the door: `python -m services.ingest`."""

from __future__ import annotations

import time

from libs import http, kafka, logs, stage, tracing
from services.ingest.aggregate import Aggregator
from services.ingest.door import Door
from services.ingest.ids import Ids
from services.ingest.settings import Settings
from services.topology import INGEST, PARTITIONS


async def main() -> None:
    settings = Settings()
    replica = stage.Replica(INGEST.stage, settings.replica)
    logs.setup(replica.stage, replica.number)
    stop = stage.stop_on_signal()
    health = stage.Health(settings.health, stop)

    # Read down: start order. Read up: stop order, so the last spans leave after the last ack.
    async with (
        health.kept(),
        tracing.exporting(replica.stage, replica.number) as emitter,
        kafka.late_producer(settings.kafka, replica.client_id, stop) as producer,
        kafka.probing(settings.kafka, replica.client_id) as ask,
    ):
        aggregator = Aggregator(producer, INGEST.writes, PARTITIONS, settings, emitter, stop)
        sampling, policy = settings.sampling, emitter.policy
        sampler = tracing.Sampler(sampling, policy, time.monotonic, settings.trusted)
        door = Door(aggregator, sampler, emitter, settings, Ids().new)
        health.depends_on("Kafka", ask)
        health.needs(lambda: aggregator.check_room(0))
        health.started()
        await http.serve(
            door,
            settings.host,
            settings.port,
            stop,
            settings.http,
            notice_s=settings.drain_notice_s,
        )
        await aggregator.drain()
        if aggregator.failure is not None:
            raise aggregator.failure


if __name__ == "__main__":
    stage.launch(main)
