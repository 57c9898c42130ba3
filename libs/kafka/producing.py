# pyright: basic
"""Producers: at once, or as soon as Kafka answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from libs.errors import NotSent, Unavailable
from libs.kafka import hooks, lifecycle
from libs.kafka.rebuilding import RebuildingProducer
from libs.kafka.records import Ack, Outgoing, Producer
from libs.kafka.settings import KafkaSettings

_log = structlog.get_logger()

_ARRIVE_AGAIN_S = 1.0


@asynccontextmanager
async def producer(settings: KafkaSettings, client_id: str) -> AsyncGenerator[Producer]:
    """Yield a started idempotent producer; what it still holds is flushed at the end."""
    hooks.install()
    async with AsyncExitStack() as stack:

        async def start() -> Producer:
            return await stack.enter_async_context(_started(settings, client_id))

        yield await lifecycle.patiently(start, settings)


@asynccontextmanager
async def _started(settings: KafkaSettings, client_id: str) -> AsyncGenerator[Producer]:
    rebuilding = RebuildingProducer(lambda: _client(settings, client_id), settings)
    try:
        await rebuilding.start()
        yield rebuilding
    finally:
        await rebuilding.close()


def _client(settings: KafkaSettings, client_id: str) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        bootstrap_servers=settings.bootstrap_servers,
        client_id=client_id,
        acks="all",
        enable_idempotence=True,
        compression_type=None if settings.compression_type == "none" else settings.compression_type,
        linger_ms=settings.linger_ms,
        max_batch_size=settings.max_batch_size,
        max_request_size=settings.max_request_size,
        request_timeout_ms=settings.request_timeout_ms,
        # One refused partition holds back every partition of its broker for this long.
        retry_backoff_ms=20,
    )


@asynccontextmanager
async def late_producer(
    settings: KafkaSettings, client_id: str, stop: asyncio.Event
) -> AsyncGenerator[Producer]:
    """Yield a producer at once and start it as soon as Kafka answers, for a door that must open.

    An error that waiting does not mend sets `stop`, and is raised at the end.
    """
    late = _LateProducer()

    async def arrive() -> None:
        while True:
            try:
                async with producer(settings, client_id) as arrived:
                    late.arrived = arrived
                    await asyncio.get_running_loop().create_future()
            except (Unavailable, KafkaError) as error:
                _log.warning("waiting for Kafka", reason=str(error))
                await asyncio.sleep(_ARRIVE_AGAIN_S)

    arriving = asyncio.create_task(arrive())
    arriving.add_done_callback(lambda _done: stop.set())
    try:
        yield late
    finally:
        arriving.cancel()
        with suppress(asyncio.CancelledError):
            await arriving


class _LateProducer:
    """A producer that may still be on its way."""

    def __init__(self) -> None:
        self.arrived: Producer | None = None

    def check(self) -> None:
        """Raise `Unavailable` until Kafka has answered for the first time."""
        self._there().check()

    async def send(self, record: Outgoing) -> asyncio.Future[Ack]:
        """Send; raises `Unavailable` until Kafka has answered for the first time."""
        return await self._there().send(record)

    def _there(self) -> Producer:
        if self.arrived is None:
            raise NotSent("Kafka has not answered yet")
        return self.arrived
