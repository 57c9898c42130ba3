"""The work of a hop: decode, handle, encode, send; one record in, one record out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from libs import events, tracing
from libs.clock import now_us
from libs.errors import Rejected, Unavailable
from libs.events import DecoratedBatch, NormalBatch, Outcome, RawBatch, Rejection
from libs.kafka import Ack, Outgoing, Producer, Record
from libs.stage.dead_letters import DeadLetters
from libs.stage.failpoints import Failpoints
from libs.stage.reading import Replica, read_facts, trail_stop
from libs.stage.retry import until_available
from libs.stage.run import Work

In = TypeVar("In", RawBatch, NormalBatch)
Out = TypeVar("Out", NormalBatch, DecoratedBatch)


@dataclass(frozen=True, slots=True)
class Transform(Generic[In, Out]):
    """What makes a stage the stage it is; both callables may raise `Rejected`."""

    writes: str
    decode: Callable[[Record], In]
    handle: Callable[[In], Awaitable[Outcome[Out]]]
    failpoints: Failpoints = field(default_factory=Failpoints)


@dataclass(slots=True)
class _Sent:
    """A record on its way, with the batch it came with and what of that does not go on."""

    record: Record
    batch: RawBatch | NormalBatch
    rejected: list[Rejection]
    acked: asyncio.Future[Ack]
    legs: list[tracing.Leg]
    read: tracing.Read
    handed_us: int


def forward(
    transform: Transform[In, Out], replica: Replica, producer: Producer, emitter: tracing.Emitter
) -> Work:
    """Make the work of a hop: each record keeps its partition, and its order within it."""
    return _Forwarding(transform, replica, producer, emitter).work


class _Forwarding(Generic[In, Out]):
    def __init__(
        self,
        transform: Transform[In, Out],
        replica: Replica,
        producer: Producer,
        emitter: tracing.Emitter,
    ) -> None:
        self._transform = transform
        self._replica = replica
        self._producer = producer
        self._emitter = emitter
        self._letters = DeadLetters(producer, replica, emitter, transform.failpoints)

    async def work(self, records: list[Record]) -> None:
        # Handed over in order, acknowledged together.
        sent = [await self._move(record) for record in records]
        for one in sent:
            if one is not None:
                await self._land(one)
                await self._transform.failpoints.visit("hop.after_produce")
        await self._transform.failpoints.visit("hop.before_commit")

    async def _land(self, sent: _Sent) -> None:
        started_us = sent.read.started_us
        try:
            self._report(sent, await sent.acked)
        except Rejected as error:
            # The broker refused what fitted the client's own limit.
            await self._letters.bury(sent.record, sent.batch, error.reason, started_us)
            return
        except Unavailable:
            lost = Ack(self._transform.writes, tracing.UNKNOWN, tracing.UNKNOWN, 0, now_us())
            self._report(sent, lost, error_type="timeout")
            raise
        # Only now: a record that is refused as a whole is one dead letter, and nothing else.
        if sent.rejected:
            await self._letters.bury_events(sent.record, sent.batch, sent.rejected, started_us)

    async def _move(self, record: Record) -> _Sent | None:
        started_us = now_us()
        batch = None
        try:
            batch = self._transform.decode(record)
            await self._transform.failpoints.visit("hop.handle")
            outcome = await self._transform.handle(batch)
            if not outcome.batch.events:
                await self._letters.bury_events(record, batch, outcome.rejected, started_us)
                return None
            return await self._send(record, batch, outcome, started_us)
        except Rejected as error:
            await self._letters.bury(record, batch, error.reason, started_us)
            return None

    async def _send(
        self, record: Record, came: In, outcome: Outcome[Out], started_us: int
    ) -> _Sent:
        policy, batch = self._emitter.policy, outcome.batch
        legs = tracing.legs(batch.origins, policy)
        contexts = {index: leg.traceparent for index, leg in legs.items()}
        onward = events.with_traceparents(batch, contexts)
        value = events.encode(onward)
        carried = tracing.read_headers(record.headers)
        handed_us = now_us()
        trail = carried.trail.then(trail_stop(record, self._replica, started_us, handed_us))
        headers = tracing.write_headers(onward.origins, trail, policy)
        outgoing = Outgoing(self._transform.writes, record.partition, value, headers)
        with tracing.sending(policy, carried):
            acked = await until_available(lambda _attempt: self._producer.send(outgoing))
        read = read_facts(record, self._replica, carried, batch, started_us)
        legs_of_record = list(legs.values())
        return _Sent(record, came, outcome.rejected, acked, legs_of_record, read, handed_us)

    def _report(self, sent: _Sent, ack: Ack, error_type: str = "") -> None:
        written = tracing.Written(
            topic=ack.topic,
            partition=ack.partition,
            offset=ack.offset,
            client_id=self._replica.client_id,
            handed_us=sent.handed_us,
            acked_us=ack.acked_us,
            events=sent.read.events,
            record_us=sent.handed_us,
            drained_us=ack.drained_us,
            error_type=error_type,
        )
        exemplar = sent.legs[0].process if sent.legs else None
        self._emitter.meters.read(sent.read, ack.acked_us, exemplar)
        self._emitter.meters.wrote(written, exemplar)
        if sent.legs:
            tracing.report_hop(self._emitter, sent.legs, tracing.Reading(sent.read), written)
