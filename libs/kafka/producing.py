# pyright: basic
"""aiokafka's producer behind our protocol."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError

from libs.errors import NotSent, Rejected, Unavailable
from libs.kafka import hooks, lifecycle
from libs.kafka.records import Ack, Outgoing, Producer
from libs.kafka.settings import KafkaSettings

_log = structlog.get_logger()

_ARRIVE_AGAIN_S = 1.0


@asynccontextmanager
async def producer(settings: KafkaSettings, client_id: str) -> AsyncGenerator[Producer]:
    """Yield a started idempotent producer; what it still holds is flushed at the end."""
    hooks.install()
    client = AIOKafkaProducer(
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
    try:
        await lifecycle.start(client, settings)
        yield _Producer(client, settings)
    finally:
        await lifecycle.close(client, settings)


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


class _Producer:
    def __init__(self, client: AIOKafkaProducer, settings: KafkaSettings) -> None:
        self._client = client
        self._settings = settings

    def check(self) -> None:
        """Nothing is known against it: a broker that is away shows by acks that do not come."""

    async def send(self, record: Outgoing) -> asyncio.Future[Ack]:
        acked: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        handed_us = _now_us()
        try:
            async with asyncio.timeout(self._settings.delivery_timeout_s):
                delivery = await self._hand_over(record)
        except MessageSizeTooLargeError as error:
            raise Rejected(f"the record is too large for {record.topic}: {error}") from error
        except TimeoutError as error:
            raise NotSent(f"Kafka took no record for {record.topic}") from error
        except KafkaError as error:
            if not error.retriable:
                raise
            raise NotSent(f"Kafka took no record for {record.topic}: {error!r}") from error
        limit = asyncio.get_running_loop().call_later(
            self._settings.delivery_timeout_s, _give_up, acked, record.topic
        )
        delivery.add_done_callback(lambda done: _settle(done, acked, limit, handed_us))
        return acked

    async def _hand_over(self, record: Outgoing) -> asyncio.Future:
        partitions = await self._client.partitions_for(record.topic)
        while True:
            try:
                return await self._client.send(
                    record.topic,
                    record.value,
                    key=record.key,
                    partition=record.partition % len(partitions),
                    # A copy: whoever instruments the client adds to what it is given.
                    headers=[*record.headers],
                )
            except KafkaTimeoutError:
                # The buffer of the partition is full, and nothing was put into it. The caller
                # limits how often that is waited for.
                _log.warning("waiting for room in the producer's buffer", topic=record.topic)


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


def _give_up(acked: asyncio.Future[Ack], topic: str) -> None:
    if not acked.done():
        acked.set_exception(Unavailable(f"Kafka did not acknowledge a record for {topic}"))


def _settle(
    delivery: asyncio.Future,
    acked: asyncio.Future[Ack],
    limit: asyncio.TimerHandle,
    handed_us: int,
) -> None:
    limit.cancel()
    acked_us = _now_us()
    error = None if delivery.cancelled() else delivery.exception()
    if acked.done():
        return
    if delivery.cancelled() or (isinstance(error, KafkaError) and error.retriable):
        acked.set_exception(Unavailable(f"Kafka did not acknowledge: {error!r}"))
    elif isinstance(error, MessageSizeTooLargeError):
        acked.set_exception(Rejected(f"Kafka refused the record as too large: {error}"))
    elif error is not None:
        acked.set_exception(error)
    else:
        acked.set_result(_ack(delivery, handed_us, acked_us))


def _ack(delivery: asyncio.Future, handed_us: int, acked_us: int) -> Ack:
    meta = delivery.result()
    return Ack(
        topic=meta.topic,
        partition=meta.partition,
        offset=meta.offset,
        appended_us=(meta.timestamp or 0) * 1000,
        acked_us=acked_us,
        handed_us=handed_us,
        drained_us=hooks.drained_us(delivery),
    )


def _now_us() -> int:
    return time.time_ns() // 1000
