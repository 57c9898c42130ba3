# pyright: basic, reportMissingImports=false
"""As the documentation of FastStream teaches, with its middleware for OpenTelemetry.

python -m bench.peers.programs.fast_stream normalize
"""

from __future__ import annotations

import asyncio

import asyncpg
from faststream import FastStream
from faststream.kafka import KafkaBroker
from faststream.kafka.opentelemetry import KafkaTelemetryMiddleware
from pydantic import BaseModel

from bench.peers.programs import spans, task
from bench.peers.programs.task import Place
from libs.events import NormalEvent, RawEvent

Scalar = str | int | float | bool | None


class Raw(BaseModel):
    """A record of the first topic."""

    event_id: str
    name: str
    value: float
    unit: str | None = None
    timestamp: float
    attributes: dict[str, Scalar] = {}


class Normal(BaseModel):
    """A record of the second topic."""

    event_id: str
    name: str
    value: float
    timestamp: str
    unit: str | None = None
    attributes: dict[str, Scalar] = {}


class Decorated(Normal):
    """A record of the third topic."""

    owner: str | None = None
    team: str | None = None
    region: str | None = None


def build(place: Place) -> FastStream:
    """Make the application of one stage."""
    provider = spans.export(place.service)
    broker = KafkaBroker(
        place.servers,
        middlewares=(KafkaTelemetryMiddleware(tracer_provider=provider),),
        # By default it writes two lines for every event.
        logger=None,
    )
    app = FastStream(broker)
    {"normalize": add_normalize, "decorate": add_decorate, "sink": add_sink}[place.stage](
        app, broker, place
    )

    @app.after_startup
    async def say() -> None:
        task.say_ready()

    return app


def add_normalize(_app: FastStream, broker: KafkaBroker, place: Place) -> None:
    """Subscribe to the first topic, and publish what is returned."""

    @broker.subscriber(place.reads, group_id=place.group, auto_offset_reset="earliest")
    @broker.publisher(place.writes)
    async def normalize(raw: Raw) -> Normal:
        event = task.normalized(RawEvent(**raw.model_dump()))
        return Normal.model_validate(event, from_attributes=True)


def add_decorate(_app: FastStream, broker: KafkaBroker, place: Place) -> None:
    """Subscribe to the second topic, and publish what is returned."""
    entities = task.known_entities()

    @broker.subscriber(place.reads, group_id=place.group, auto_offset_reset="earliest")
    @broker.publisher(place.writes)
    async def decorate(normal: Normal) -> Decorated:
        event = task.decorated(NormalEvent(**normal.model_dump()), entities)
        return Decorated.model_validate(event, from_attributes=True)


def add_sink(app: FastStream, broker: KafkaBroker, place: Place) -> None:
    """Subscribe to the third topic, and insert each event."""
    opened: list[asyncpg.Connection[asyncpg.Record]] = []

    @app.on_startup
    async def connect() -> None:
        opened.append(await asyncpg.connect(place.database_url))

    @broker.subscriber(place.reads, group_id=place.group, auto_offset_reset="earliest")
    async def sink(event: Decorated) -> None:
        row = task.row(event.model_dump_json().encode())
        await opened[0].execute(task.insert(place.table), *row)


if __name__ == "__main__":
    asyncio.run(build(task.place()).run())
