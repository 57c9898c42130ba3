# pyright: basic
"""A question that only tells whether Kafka answers, for a stage that reads nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from libs.errors import Unavailable
from libs.kafka.settings import KafkaSettings


@asynccontextmanager
async def probing(
    settings: KafkaSettings, client_id: str
) -> AsyncGenerator[Callable[[], Awaitable[None]]]:
    """Yield a question to any broker, on a connection of its own; it raises `Unavailable`."""
    client = AIOKafkaClient(
        bootstrap_servers=settings.bootstrap_servers,
        client_id=f"{client_id}-probe",
        request_timeout_ms=settings.request_timeout_ms,
    )
    knows_brokers = False

    async def ask() -> None:
        nonlocal knows_brokers
        try:
            if not knows_brokers:
                await client.bootstrap()
                knows_brokers = True
            await client.fetch_all_metadata()
        except (KafkaError, TimeoutError) as error:
            raise Unavailable(f"Kafka does not answer: {error!r}") from error

    try:
        yield ask
    finally:
        await client.close()
