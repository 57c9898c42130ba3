# pyright: basic
"""A producer that outlives its client: what is not acknowledged goes on with the next one."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError

from libs.clock import now_us
from libs.errors import NotSent, Rejected, Unavailable
from libs.kafka import hooks, lifecycle
from libs.kafka.records import Ack, Outgoing
from libs.kafka.settings import KafkaSettings
from libs.kafka.verdicts import Verdict, judge

_log = structlog.get_logger()

# Acks that take longer than this are no slowness any more.
_STALL_S = 5.0

# Between two clients that came to nothing; doubles up to the longest.
_FIRST_WAIT_S = 0.05
_LONGEST_WAIT_S = 1.0
_DOUBLINGS_MAX = 10


@dataclass(slots=True, eq=False)
class _Handed:
    """A record that was handed over and is not settled; `delivery` is the client's that has it."""

    record: Outgoing
    acked: asyncio.Future[Ack]
    handed_us: int
    delivery: asyncio.Future | None = None
    limit: asyncio.TimerHandle | None = None
    # No other record can be behind a refusal of its batch.
    is_alone: bool = False


class RebuildingProducer:
    """Sends through one client after the other; all that is unsettled keeps its order.

    A record that a lost client may have written is sent again: twice in the log, never missing.
    """

    def __init__(self, make: Callable[[], AIOKafkaProducer], settings: KafkaSettings) -> None:
        self._make = make
        self._settings = settings
        self._client = make()
        # In the order of the hand-over, which is the order they are sent again in.
        self._unsettled: dict[_Handed, None] = {}
        self._is_whole = asyncio.Event()
        self._is_broken = False
        self._is_one_by_one = False
        self._is_closing = False
        self._replacing: asyncio.Task[None] | None = None
        self._cause: BaseException | None = None
        self._failure: BaseException | None = None
        # Clients in a row that got nothing settled.
        self._fruitless = 0

    async def start(self) -> None:
        """Connect. Raises `Unavailable` if Kafka gives no producer id now."""
        await self._connect()
        self._is_whole.set()

    async def _connect(self) -> None:
        try:
            await lifecycle.start(self._client, self._settings)
        except KafkaError as error:
            if judge(error) is Verdict.RAISED:
                raise
            raise Unavailable(f"Kafka gave no producer id: {error!r}") from error

    async def close(self) -> None:
        """Flush what can be flushed in time, and leave."""
        self._is_closing = True
        if self._replacing is not None:
            self._replacing.cancel()
            await asyncio.wait({self._replacing})
        await lifecycle.close(self._client, self._settings)
        for one in list(self._unsettled):
            self._settle(one, Unavailable("the producer was closed before Kafka acknowledged"))

    def check(self) -> None:
        """Raise `Unavailable` if nothing can be sent now; a dead client is replaced."""
        if self._failure is not None:
            raise Unavailable(f"the producer failed for good: {self._failure!r}")
        if self._is_whole.is_set() and lifecycle.is_dead(self._client):
            self._replace(KafkaError("the sender of the client has ended"))
        if not self._is_whole.is_set():
            raise Unavailable("the producer is being replaced")
        oldest = next(iter(self._unsettled), None)
        if oldest is not None and now_us() - oldest.handed_us > _STALL_S * 1e6:
            raise Unavailable(f"Kafka has not acknowledged a record for over {_STALL_S:.0f} s")

    async def send(self, record: Outgoing) -> asyncio.Future[Ack]:
        acked: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        one = _Handed(record, acked, now_us())
        try:
            async with asyncio.timeout(self._settings.delivery_timeout_s):
                await self._take(one)
        except MessageSizeTooLargeError as error:
            raise Rejected(f"the record is too large for {record.topic}: {error}") from error
        except TimeoutError as error:
            raise NotSent(f"Kafka took no record for {record.topic}") from error
        except KafkaError as error:
            if not error.retriable:
                raise
            raise NotSent(f"Kafka took no record for {record.topic}: {error!r}") from error
        one.limit = asyncio.get_running_loop().call_later(
            self._settings.delivery_timeout_s, self._give_up, one
        )
        return acked

    async def _take(self, one: _Handed) -> None:
        while True:
            await self._is_whole.wait()
            if self._is_closing:
                raise NotSent("the producer is closed")
            if self._failure is not None:
                raise self._failure
            client = self._client
            try:
                delivery = await self._hand_over(client, one.record)
            except KafkaError as error:
                if error.retriable or judge(error) is not Verdict.SENT_AGAIN:
                    raise
                # The client was closed or died while the record waited for room in it.
                if client is self._client:
                    self._replace(error)
            else:
                self._unsettled[one] = None
                self._follow(one, delivery)
                return

    async def _hand_over(self, client: AIOKafkaProducer, record: Outgoing) -> asyncio.Future:
        partitions = await client.partitions_for(record.topic)
        while True:
            try:
                return await client.send(
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

    def _follow(self, one: _Handed, delivery: asyncio.Future) -> None:
        one.delivery = delivery
        delivery.add_done_callback(partial(self._delivered, one))

    def _delivered(self, one: _Handed, delivery: asyncio.Future) -> None:
        error = KafkaError("given up") if delivery.cancelled() else delivery.exception()
        if error is None:
            # Also from a client that was given up meanwhile: the record is in the log.
            self._fruitless = 0
            self._settle(one, _ack(delivery, one.handed_us))
        elif delivery is one.delivery:
            self._judge(one, error)
            self._replace(error)

    def _judge(self, one: _Handed, error: BaseException) -> None:
        one.delivery = None
        verdict = judge(error)
        if verdict is Verdict.RAISED:
            self._settle(one, error)
        elif verdict is Verdict.REFUSED and (one.is_alone or self._fills_a_batch(one.record)):
            self._fruitless = 0
            self._settle(one, Rejected(f"Kafka refused the record for {one.record.topic}: {error}"))
        elif verdict is Verdict.REFUSED:
            # The broker judged the batch, and this may be one of many records in it.
            self._is_one_by_one = True

    def _fills_a_batch(self, record: Outgoing) -> bool:
        return len(record.value or b"") > self._settings.max_batch_size

    def _settle(self, one: _Handed, outcome: Ack | BaseException) -> None:
        self._unsettled.pop(one, None)
        if one.limit is not None:
            one.limit.cancel()
        if one.acked.done():
            return
        if isinstance(outcome, BaseException):
            one.acked.set_exception(outcome)
        else:
            one.acked.set_result(outcome)

    def _give_up(self, one: _Handed) -> None:
        self._settle(one, Unavailable(f"Kafka did not acknowledge a record for {one.record.topic}"))

    def _replace(self, cause: BaseException) -> None:
        """Have the client replaced; until then nothing new is handed over."""
        if self._is_closing:
            return
        self._cause, self._is_broken = cause, True
        # At once: nothing may overtake, in its partition, what is to be sent again.
        lifecycle.halt(self._client)
        if self._replacing is None and self._failure is None:
            self._is_whole.clear()
            self._replacing = asyncio.create_task(self._mend())
            self._replacing.add_done_callback(self._mended)

    async def _mend(self) -> None:
        while self._is_broken:
            self._count()
            await self._renew()
            await self._hand_over_again()

    def _count(self) -> None:
        # A partition that has no leader, or too few replicas, says nothing against the client.
        if not (isinstance(self._cause, KafkaError) and self._cause.retriable):
            self._fruitless += 1
        _log.warning("replacing the producer", cause=repr(self._cause), in_a_row=self._fruitless)
        if self._fruitless > self._settings.producer_rebuilds_max:
            raise self._cause or KafkaError("the producer is beyond repair")

    async def _renew(self) -> None:
        for trial in itertools.count():
            await lifecycle.close(self._client, self._settings)
            for one in self._unsettled:
                # What the old client says from now on is of interest only if it is an ack.
                one.delivery = None
            self._client = self._make()
            self._is_broken = False
            try:
                return await self._connect()
            except Unavailable as error:
                # A broker that is away says nothing against the client. Told at the first try and
                # whenever their number has doubled, so that a long outage fills no log.
                if trial & (trial - 1) == 0:
                    _log.warning("waiting for Kafka", reason=str(error), tries=trial + 1)
                await asyncio.sleep(_back_off_s(trial))

    async def _hand_over_again(self) -> None:
        for one in list(self._unsettled):
            if one not in self._unsettled:
                continue
            try:
                delivery = await self._hand_over(self._client, one.record)
            except KafkaError as error:
                if judge(error) is not Verdict.SENT_AGAIN:
                    raise
                self._replace(error)
            else:
                one.is_alone = self._is_one_by_one
                self._follow(one, delivery)
                if one.is_alone:
                    await asyncio.wait({delivery})
            if self._is_broken:
                await asyncio.sleep(_back_off_s(self._fruitless))
                return
        self._is_one_by_one = False

    def _mended(self, task: asyncio.Task[None]) -> None:
        self._replacing = None
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _log.error("the producer is beyond repair", cause=repr(error))
            self._failure = error
            for one in list(self._unsettled):
                self._settle(one, error)
        elif not task.cancelled():
            _log.info("the producer was replaced", unsettled=len(self._unsettled))
            if self._is_broken:
                self._replace(self._cause or KafkaError("the new client failed at once"))
                return
        self._is_whole.set()


def _back_off_s(in_a_row: int) -> float:
    return min(_FIRST_WAIT_S * 2 ** min(in_a_row, _DOUBLINGS_MAX), _LONGEST_WAIT_S)


def _ack(delivery: asyncio.Future, handed_us: int) -> Ack:
    meta = delivery.result()
    return Ack(
        topic=meta.topic,
        partition=meta.partition,
        offset=meta.offset,
        appended_us=(meta.timestamp or 0) * 1000,
        acked_us=now_us(),
        handed_us=handed_us,
        drained_us=hooks.drained_us(delivery),
    )
