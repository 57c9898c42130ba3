"""The work of a hop: decode, handle, encode, send; one record in, one record out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from libs import events, tracing
from libs.errors import Rejected
from libs.events import DecoratedBatch, NormalBatch, Outcome, RawBatch
from libs.kafka import Ack, Outgoing, Producer, Record
from libs.stage.dead_letters import DeadLetters
from libs.stage.reading import Replica, read_facts, trail_stop
from libs.stage.run import Work

In = TypeVar("In", RawBatch, NormalBatch)
Out = TypeVar("Out", NormalBatch, DecoratedBatch)


@dataclass(frozen=True, slots=True)
class Transform(Generic[In, Out]):
    """What makes a stage the stage it is; both callables may raise `Rejected`."""

    writes: str
    decode: Callable[[Record], In]
    handle: Callable[[In], Awaitable[Outcome[Out]]]


@dataclass(slots=True)
class _Sent:
    acked: asyncio.Future[Ack]
    legs: list[tracing.Leg]
    read: tracing.Read
    handed_us: int


def forward(
    transform: Transform[In, Out], replica: Replica, producer: Producer, emitter: tracing.Emitter
) -> Work:
    """Make the work of a hop: each record keeps its partition, and its order within it."""
    letters = DeadLetters(producer, replica, emitter)

    async def work(records: list[Record]) -> None:
        # Handed over in order, acknowledged together.
        sent = [await move(record) for record in records]
        for one in sent:
            if one is not None:
                _report(emitter, replica, one, await one.acked)

    async def move(record: Record) -> _Sent | None:
        started_us = time.time_ns() // 1000
        batch = None
        try:
            batch = transform.decode(record)
            outcome = await transform.handle(batch)
            if outcome.rejected:
                await letters.bury_events(record, batch, outcome.rejected, started_us)
            if not outcome.batch.events:
                return None
            return await send(record, outcome.batch, started_us)
        except Rejected as error:
            await letters.bury(record, batch, error.reason, started_us)
            return None

    async def send(record: Record, batch: Out, started_us: int) -> _Sent:
        legs = tracing.legs(batch.origins)
        contexts = {index: leg.traceparent for index, leg in legs.items()}
        onward = events.with_traceparents(batch, contexts)
        value = events.encode(onward)
        carried = tracing.read_headers(record.headers)
        handed_us = time.time_ns() // 1000
        trail = [*carried.trail, trail_stop(record, replica, started_us, handed_us)]
        headers = tracing.write_headers(onward.origins, trail)
        outgoing = Outgoing(transform.writes, record.partition, value, headers)
        acked = await producer.send(outgoing)
        read = read_facts(record, replica, carried, batch, started_us)
        return _Sent(acked, list(legs.values()), read, handed_us)

    return work


def _report(emitter: tracing.Emitter, replica: Replica, sent: _Sent, ack: Ack) -> None:
    written = tracing.Written(
        topic=ack.topic,
        partition=ack.partition,
        offset=ack.offset,
        client_id=replica.client_id,
        handed_us=sent.handed_us,
        acked_us=ack.acked_us,
        events=sent.read.events,
    )
    for leg in sent.legs:
        tracing.report_hop(emitter, leg, sent.read, written)
