# pyright: basic
"""The start and the end of a Kafka client, both within limits."""

from __future__ import annotations

import asyncio

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError

from libs.errors import Unavailable
from libs.kafka.settings import KafkaSettings

_log = structlog.get_logger()


async def start(client: AIOKafkaProducer | AIOKafkaConsumer, settings: KafkaSettings) -> None:
    """Connect. Raises `Unavailable` if no broker answers."""
    try:
        await client.start()
    except KafkaConnectionError as error:
        raise Unavailable(f"no Kafka answers at {settings.bootstrap_servers}") from error


async def close(client: AIOKafkaProducer | AIOKafkaConsumer, settings: KafkaSettings) -> None:
    """Flush and leave, or leave the client behind."""
    try:
        # Without a broker an idempotent producer would wait here for ever.
        await asyncio.wait_for(client.stop(), settings.close_timeout_s)
    except asyncio.CancelledError:
        # The client cancels tasks of its own and lets that escape; being cancelled ourselves is
        # another matter.
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise
        _log.warning("a Kafka client was closed in the middle of a request")
    except TimeoutError:
        _log.warning("a Kafka client was left behind", close_timeout_s=settings.close_timeout_s)
