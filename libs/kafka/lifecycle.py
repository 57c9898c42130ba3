# pyright: basic
"""The start and the end of a Kafka client, both within limits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import stamina
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError

from libs.errors import Unavailable
from libs.kafka.settings import KafkaSettings

_log = structlog.get_logger()

# For closing the sockets of a client that was not done in time.
_CUT_LIMIT_S = 0.5

# Between two tries to start without a Kafka; doubles up to the longest.
_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 2.0

T = TypeVar("T")


async def patiently(start: Callable[[], Awaitable[T]], settings: KafkaSettings) -> T:
    """Try to start until Kafka is there. Raises the last `Unavailable` if that takes too long."""
    async for trial in stamina.retry_context(
        on=Unavailable,
        attempts=None if settings.start_patience_s else 1,
        timeout=settings.start_patience_s or None,
        wait_initial=_FIRST_WAIT_S,
        wait_max=_LONGEST_WAIT_S,
        wait_jitter=_FIRST_WAIT_S,
    ):
        with trial:
            return await start()
    raise AssertionError("a retry context ends by a return or a raise")


async def start(client: AIOKafkaProducer | AIOKafkaConsumer, settings: KafkaSettings) -> None:
    """Connect. Raises `Unavailable` if no broker answers in time."""
    try:
        # An idempotent producer asks for its id for ever.
        async with asyncio.timeout(settings.start_timeout_s):
            await client.start()
    except KafkaConnectionError as error:
        raise Unavailable(f"no Kafka answers at {settings.bootstrap_servers}") from error
    except TimeoutError as error:
        raise Unavailable(
            f"Kafka at {settings.bootstrap_servers} was not ready in {settings.start_timeout_s} s"
        ) from error


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
    if isinstance(client, AIOKafkaProducer):
        await _cut(client)


def halt(client: AIOKafkaProducer) -> None:
    """Let requests that are on their way end, and send nothing more."""
    if (sender := client._sender.sender_task) is not None:
        sender.cancel()


def is_dead(client: AIOKafkaProducer) -> bool:
    """Whether the client takes records that it will never send."""
    return client._sender.sender_task is not None and client._sender.sender_task.done()


async def _cut(client: AIOKafkaProducer) -> None:
    """Leave nothing of a producer that could still send, or that waits for something."""
    halt(client)
    client._message_accumulator.fail_all(KafkaError("the client was closed"))
    with suppress(TimeoutError):
        await asyncio.wait_for(client.client.close(), _CUT_LIMIT_S)
