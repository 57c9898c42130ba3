# pyright: basic
"""aiokafka's consumer behind our protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import (
    CommitFailedError,
    CorruptRecordException,
    IllegalStateError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    OffsetOutOfRangeError,
    RecordTooLargeError,
)

from libs.clock import now_us
from libs.errors import Unavailable
from libs.kafka import hooks, lifecycle
from libs.kafka.claiming import Claiming
from libs.kafka.records import (
    Consumer,
    Partition,
    Positions,
    Progress,
    Reading,
    Record,
    Unreadable,
    in_turns,
)
from libs.kafka.settings import KafkaSettings

_log = structlog.get_logger()


@asynccontextmanager
async def consumer(
    settings: KafkaSettings,
    topic: str,
    *,
    group: str,
    client_id: str,
    poll_records_max: int,
    positions: Positions | None = None,
) -> AsyncGenerator[Consumer]:
    """Yield a started member of `group` that reads `topic`; it leaves the group at the end.

    With `positions` these say where to read, and what the group commits is for its observers.
    """
    hooks.install()
    async with AsyncExitStack() as stack:

        async def start() -> Consumer:
            # A client that could not start is of no use any more.
            client = _client(settings, group, client_id, poll_records_max)
            reader = _Consumer(client, settings, topic, positions)
            return await stack.enter_async_context(reader.started())

        yield await lifecycle.patiently(start, settings)


def _client(
    settings: KafkaSettings, group: str, client_id: str, poll_records_max: int
) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap_servers,
        client_id=client_id,
        group_id=group,
        enable_auto_commit=False,
        # Where to read is looked up for each assignment; what the log does not have is an error.
        auto_offset_reset="none",
        isolation_level="read_committed",
        # Exactly one: each further strategy would cost a JoinGroup of its own.
        partition_assignment_strategy=(StickyPartitionAssignor,),
        max_poll_records=poll_records_max,
        fetch_min_bytes=settings.fetch_min_bytes,
        fetch_max_wait_ms=settings.fetch_max_wait_ms,
        max_partition_fetch_bytes=settings.max_partition_fetch_bytes,
        session_timeout_ms=settings.session_timeout_ms,
        heartbeat_interval_ms=settings.heartbeat_interval_ms,
        rebalance_timeout_ms=settings.rebalance_timeout_ms,
        max_poll_interval_ms=settings.max_poll_interval_ms,
        request_timeout_ms=settings.request_timeout_ms,
    )


class _Consumer(ConsumerRebalanceListener):
    def __init__(
        self,
        client: AIOKafkaConsumer,
        settings: KafkaSettings,
        topic: str,
        positions: Positions | None,
    ) -> None:
        self._client = client
        self._settings = settings
        self._topic = topic
        self._claiming = Claiming(client, settings, positions)
        self._work = asyncio.Lock()
        # Offsets of finished work that the coordinator has not taken yet.
        self._owed: dict[Partition, int] = {}
        self._paying: asyncio.Task[None] | None = None
        self._assigned_us: dict[TopicPartition, int] = {}

    @asynccontextmanager
    async def started(self) -> AsyncGenerator[Consumer]:
        self._client.subscribe([self._topic], listener=self)
        try:
            await lifecycle.start(self._client, self._settings)
            hooks.space_fetches(self._client, self._settings.fetch_interval_min_ms / 1000)
            yield self
            await self._settle()
        finally:
            if self._paying is not None:
                self._paying.cancel()
            try:
                await lifecycle.close(self._client, self._settings)
            except KafkaError:
                # What a fetch task has died of, which polls have told of, stops the stop itself.
                await hooks.hang_up(self._client)

    async def poll(self) -> list[Record]:
        hooks.check_fetching(self._client)
        await self._claiming.catch_up()
        fetched = await self._fetched()
        polled_us = now_us()
        by_partition: list[list[Record]] = []
        for partition, batch in fetched.items():
            asked_us, fetched_us = hooks.moments(batch)
            assigned_us = self._assigned_us.get(partition, polled_us)
            end = self._client.highwater(partition) or 0
            by_partition.append(
                [
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
                    for raw in self._claiming.let_out(partition, batch)
                ]
            )
        return in_turns(by_partition)

    async def _fetched(self) -> dict:
        try:
            return await self._client.getmany(timeout_ms=self._settings.poll_timeout_ms)
        except OffsetOutOfRangeError as error:
            for partition, offset in error.args[0].items():
                await self._claiming.pass_gap(partition, offset)
            return {}
        except (RecordTooLargeError, CorruptRecordException) as error:
            raise Unreadable(
                f"a record cannot be read, and nothing behind it is: {error}; look at the broker's "
                "log and disk, or raise KAFKA_MAX_PARTITION_FETCH_BYTES if it is too large"
            ) from error

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        if self._claiming.is_rebalancing:
            # Too late: whoever gets the partitions next does the same work again.
            return
        held = {one: offset for one, offset in offsets.items() if self._claiming.is_held(one)}
        self._owed.update(held)
        # One at a time, beside the work: what is finished meanwhile goes with the next.
        if self._paying is None or self._paying.done():
            paid, self._paying = self._paying, None
            if paid is not None:
                # Raises what it died of.
                paid.result()
            if self._owed:
                self._paying = asyncio.create_task(self._pay())

    async def _settle(self) -> None:
        """Wait for a commit under way, and make the last one."""
        # Taken out first: whoever limits this wait cancels that commit with it.
        paying, self._paying = self._paying, None
        if paying is not None:
            await paying
        await self._pay()

    async def _pay(self) -> None:
        mine = self._client.assignment()
        owed = {TopicPartition(*one): offset for one, offset in self._owed.items()}
        owed = {held: offset for held, offset in owed.items() if held in mine}
        self._owed = {}
        if not owed:
            return
        try:
            # The client retries for ever by itself.
            await asyncio.wait_for(self._client.commit(owed), self._settings.commit_timeout_s)
        except (CommitFailedError, IllegalStateError) as error:
            # Another member owns the partitions: it does the same work again, and the store
            # keeps one copy of each event.
            _log.info("commit refused", reason=str(error))
        except (KafkaTimeoutError, KafkaConnectionError, TimeoutError):
            _log.warning("commit put off", commit_timeout_s=self._settings.commit_timeout_s)
            self._owed = {Partition(*held): offset for held, offset in owed.items()} | self._owed

    @asynccontextmanager
    async def working(self) -> AsyncGenerator[None]:
        async with self._work:
            yield

    async def on_partitions_revoked(self, revoked: list[TopicPartition]) -> None:
        # Half of the group's patience: the members must have time left to join again.
        patience_s = self._settings.rebalance_timeout_ms / 1000 / 2
        try:
            async with asyncio.timeout(patience_s), self._work:
                # Whoever gets the partitions next reads on where this member has finished.
                await self._settle()
        except TimeoutError:
            _log.warning("partitions leave before their work is done", patience_s=patience_s)
        finally:
            self._owed.clear()
            self._claiming.revoked()

    async def on_partitions_assigned(self, assigned: list[TopicPartition]) -> None:
        # First of all: the client hands records out while this runs.
        self._claiming.assigned(assigned)
        kept, at_us = self._assigned_us, now_us()
        self._assigned_us = {partition: kept.get(partition, at_us) for partition in assigned}
        _log.info("partitions assigned", partitions=sorted(p.partition for p in assigned))

    @property
    def progress(self) -> Progress:
        state = self._client._subscription
        readings: dict[Partition, Reading] = {}
        for partition in self._client.assignment() - self._client.paused():
            place = state.subscription.assignment.state_value(partition)
            readings[Partition(*partition)] = Reading(
                fetched_ms=place.timestamp or 0,
                position=place.position if place.has_valid_position else -1,
                end=-1 if place.lso is None else place.lso,
            )
        return Progress(not state.reassignment_in_progress, state.fetcher_idle_time, readings)

    async def ask(self) -> None:
        mine = self._client.assignment()
        try:
            if mine and not self._client._subscription.reassignment_in_progress:
                # Those who lead its partitions.
                await self._client.end_offsets(list(mine))
            else:
                # Who coordinates its group.
                await self._client.committed(TopicPartition(self._topic, 0))
        except (KafkaError, TimeoutError) as error:
            raise Unavailable(f"Kafka does not answer: {error!r}") from error
