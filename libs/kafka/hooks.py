# pyright: basic
"""What aiokafka's interface does not tell, taken from inside it in one place.

A consumer's fetch: when it was asked for and when it came, how soon there will be another, whether
there will be, and records that it cannot read. A producer's record: when its batch left the buffer.
A connection: that it is gone, also where uvloop says so in its own way.
`tests/contract/test_hooks.py` fails if a new version has moved any of these.
"""

from __future__ import annotations

import asyncio
import time
from contextvars import ContextVar
from functools import cache, wraps
from weakref import WeakKeyDictionary

from aiokafka import AIOKafkaConsumer
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import Fetcher, FetchResult
from aiokafka.errors import KafkaConnectionError
from aiokafka.producer.message_accumulator import MessageBatch

from libs.clock import now_us
from libs.kafka.lenient import LenientRecords

_asked_us: ContextVar[int] = ContextVar("asked_us", default=0)
# By the future that the producer gives for a record; gone with it.
_drained_us: WeakKeyDictionary[asyncio.Future, int] = WeakKeyDictionary()


class _Spacing:
    """Keeps the fetches from one broker an interval apart, so that each brings more at load."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._next_s: dict[int, float] = {}

    async def turn(self, node_id: int) -> None:
        """Wait until a fetch may be sent; never, if the last one was sent long ago."""
        wait_s = self._next_s.get(node_id, 0.0) - time.monotonic()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        self._next_s[node_id] = time.monotonic() + self._interval_s


_spacings: WeakKeyDictionary[Fetcher, _Spacing] = WeakKeyDictionary()


class Fetched(list):
    """Records of one fetch, with when it was asked for and when it came (µs, 0 if not known)."""

    asked_us = 0
    fetched_us = 0


def moments(batch: list) -> tuple[int, int]:
    """When the fetch of these records was asked for, and when it came."""
    return (batch.asked_us, batch.fetched_us) if isinstance(batch, Fetched) else (0, 0)


def drained_us(delivery: asyncio.Future) -> int:
    """When the batch with this record left the producer's buffer the last time; 0 if not known."""
    return _drained_us.pop(delivery, 0)


def check_fetching(client: AIOKafkaConsumer) -> None:
    """Raise if the client's fetch task has died: its polls would come back empty for ever."""
    assert client._fetcher is not None, "polled before its start"
    task = client._fetcher.error_future
    if task.done() and not task.cancelled():
        raise RuntimeError("the fetch task of the Kafka client has died") from task.exception()


def space_fetches(client: AIOKafkaConsumer, interval_s: float) -> None:
    """Let a started client ask each broker at most once an interval."""
    assert client._fetcher is not None, "spaced before its start"
    if interval_s > 0:
        _spacings[client._fetcher] = _Spacing(interval_s)


async def hang_up(client: AIOKafkaConsumer) -> None:
    """Close the connections of a client that could not be stopped."""
    await client._client.close()


@cache
def install() -> None:
    """Wire the hooks in, once for a process."""
    Fetcher._proc_fetch_request = _asking(Fetcher._proc_fetch_request)
    FetchResult.__init__ = _coming(FetchResult.__init__)
    FetchResult.getall = _handing_out(FetchResult.getall)
    fetcher.MemoryRecords = LenientRecords
    MessageBatch.drain_ready = _leaving(MessageBatch.drain_ready)
    AIOKafkaConnection.send = _losing(AIOKafkaConnection.send)


def _asking(original):
    @wraps(original)
    async def proc_fetch_request(self, assignment, node_id, request):
        spacing = _spacings.get(self)
        if spacing is not None:
            try:
                await spacing.turn(node_id)
            except asyncio.CancelledError:
                # As the original has it: whoever cancels it waits for an answer.
                return False
        # Each request runs in a task of its own, so this holds for it alone.
        _asked_us.set(now_us())
        return await original(self, assignment, node_id, request)

    return proc_fetch_request


def _coming(original):
    @wraps(original)
    def init(self, *arguments, **others):
        original(self, *arguments, **others)
        self.asked_us, self.fetched_us = _asked_us.get(), now_us()

    return init


def _handing_out(original):
    @wraps(original)
    def getall(self, max_records=None):
        records = Fetched(original(self, max_records))
        records.asked_us, records.fetched_us = self.asked_us, self.fetched_us
        return records

    return getall


def _leaving(original):
    @wraps(original)
    def drain_ready(self):
        drained_us = now_us()
        for future, _metadata in self._msg_futures:
            _drained_us[future] = drained_us
        original(self)

    return drain_ready


def _losing(original):
    """Turn a write to a closed transport into what the client knows: a connection that is lost.

    uvloop raises `RuntimeError` there, where asyncio's own loop says nothing. It would end the task
    that keeps the client's metadata, for which whoever looks for a coordinator then waits for ever.
    """

    @wraps(original)
    def send(self, *arguments, **others):
        try:
            return original(self, *arguments, **others)
        except RuntimeError as error:
            self.close(reason=CloseReason.CONNECTION_BROKEN, exc=error)
            raise KafkaConnectionError(
                f"Connection at {self.host}:{self.port} broken: {error}"
            ) from error

    return send
