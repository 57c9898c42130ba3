# pyright: basic
"""aiokafka behind the two protocols: the only module that knows the client library."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress

import structlog
from aiokafka import (
    AIOKafkaConsumer,
    AIOKafkaProducer,
    ConsumerRebalanceListener,
    TopicPartition,
)
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
)

from libs.errors import NotSent, Rejected, Unavailable
from libs.kafka import hooks
from libs.kafka.records import Ack, Consumer, Outgoing, Partition, Producer, Record
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
        await _start(client, settings)
        yield _Producer(client, settings)
    finally:
        await _close(client, settings)


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


@asynccontextmanager
async def consumer(
    settings: KafkaSettings, topic: str, *, group: str, client_id: str, poll_records_max: int
) -> AsyncGenerator[Consumer]:
    """Yield a started member of `group` that reads `topic`; it leaves the group at the end."""
    hooks.install()
    client = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap_servers,
        client_id=client_id,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        # Exactly one: each further strategy would cost a JoinGroup of its own.
        partition_assignment_strategy=(StickyPartitionAssignor,),
        max_poll_records=poll_records_max,
        fetch_max_wait_ms=settings.fetch_max_wait_ms,
        max_partition_fetch_bytes=settings.max_partition_fetch_bytes,
        session_timeout_ms=settings.session_timeout_ms,
        heartbeat_interval_ms=settings.heartbeat_interval_ms,
        rebalance_timeout_ms=settings.rebalance_timeout_ms,
        max_poll_interval_ms=settings.max_poll_interval_ms,
        request_timeout_ms=settings.request_timeout_ms,
    )
    reader = _Consumer(client, settings)
    client.subscribe([topic], listener=reader)
    try:
        await _start(client, settings)
        yield reader
    finally:
        await _close(client, settings)


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


class _Consumer(ConsumerRebalanceListener):
    def __init__(self, client: AIOKafkaConsumer, settings: KafkaSettings) -> None:
        self._client = client
        self._settings = settings
        self._work = asyncio.Lock()
        # Offsets of finished work that the coordinator has not taken yet.
        self._owed: dict[Partition, int] = {}
        self._assigned_us: dict[TopicPartition, int] = {}

    async def poll(self) -> list[Record]:
        fetched = await self._client.getmany(timeout_ms=self._settings.poll_timeout_ms)
        polled_us = _now_us()
        records: list[Record] = []
        for partition, batch in fetched.items():
            end = self._client.highwater(partition) or 0
            asked_us, fetched_us = hooks.moments(batch)
            assigned_us = self._assigned_us.get(partition, polled_us)
            records.extend(
                Record(
                    topic=partition.topic,
                    partition=partition.partition,
                    offset=raw.offset,
                    appended_us=raw.timestamp * 1000,
                    polled_us=polled_us,
                    lag_records=max(end - raw.offset - 1, 0),
                    key=raw.key,
                    value=raw.value,
                    headers=list(raw.headers),
                    asked_us=asked_us,
                    fetched_us=fetched_us,
                    may_be_redelivered=raw.timestamp * 1000 < assigned_us,
                )
                for raw in batch
            )
        return records

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        self._owed.update(offsets)
        mine = {(held.topic, held.partition) for held in self._client.assignment()}
        self._owed = {held: offset for held, offset in self._owed.items() if held in mine}
        if not self._owed:
            return
        owed = {TopicPartition(*held): offset for held, offset in self._owed.items()}
        try:
            # The client retries for ever by itself.
            await asyncio.wait_for(self._client.commit(owed), self._settings.commit_timeout_s)
        except (CommitFailedError, IllegalStateError) as error:
            # Another member owns the partitions: it does the same work again, and the store
            # keeps one copy of each event.
            _log.info("commit refused", reason=str(error))
        except (KafkaTimeoutError, KafkaConnectionError, TimeoutError):
            _log.warning("commit put off", commit_timeout_s=self._settings.commit_timeout_s)
            return
        self._owed.clear()

    @asynccontextmanager
    async def working(self) -> AsyncGenerator[None]:
        async with self._work:
            yield

    async def on_partitions_revoked(self, revoked: list[TopicPartition]) -> None:
        # Half of the group's patience: the members must have time left to join again.
        patience_s = self._settings.rebalance_timeout_ms / 1000 / 2
        try:
            async with asyncio.timeout(patience_s), self._work:
                pass
        except TimeoutError:
            _log.warning("partitions leave before their work is done", patience_s=patience_s)

    async def on_partitions_assigned(self, assigned: list[TopicPartition]) -> None:
        kept, now_us = self._assigned_us, _now_us()
        self._assigned_us = {partition: kept.get(partition, now_us) for partition in assigned}
        _log.info("partitions assigned", partitions=sorted(p.partition for p in assigned))


def _now_us() -> int:
    return time.time_ns() // 1000


async def _start(client: AIOKafkaProducer | AIOKafkaConsumer, settings: KafkaSettings) -> None:
    try:
        await client.start()
    except KafkaConnectionError as error:
        raise Unavailable(f"no Kafka answers at {settings.bootstrap_servers}") from error


async def _close(client: AIOKafkaProducer | AIOKafkaConsumer, settings: KafkaSettings) -> None:
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
