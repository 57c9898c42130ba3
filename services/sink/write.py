"""The work of the sink: records into transactions, and the end of every waterfall."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from libs import tracing
from libs.errors import Rejected
from libs.events import DecoratedBatch, Rejection, decode, without
from libs.kafka import Record
from libs.stage import DeadLetters, Replica, read_facts, until_available
from services.sink.rules import Counts, rows
from services.sink.store import Interrupted, Receipt, Store, Tries


@dataclass(slots=True)
class _Taken:
    """A record that could be read, and when work on it began (µs)."""

    record: Record
    batch: DecoratedBatch
    started_us: int


class Writer:
    """Stores records in transactions of a bounded size; records stay whole and in order."""

    def __init__(
        self,
        store: Store,
        letters: DeadLetters,
        emitter: tracing.Emitter,
        replica: Replica,
        transaction_events_max: int,
    ) -> None:
        self._store = store
        self._letters = letters
        self._replica = replica
        self._transaction_events_max = transaction_events_max
        self._emitter = emitter
        self._endings = tracing.Endings(emitter)

    async def work(self, records: list[Record]) -> None:
        """Return once every record is committed, or dead-lettered because it cannot be."""
        taken: list[_Taken] = []
        events = 0
        for record in records:
            one = await self._take(record)
            if one is None:
                continue
            if taken and events + len(one.batch.events) > self._transaction_events_max:
                await self._write(taken)
                taken, events = [], 0
                # What waited for the transaction before it was not worked on yet.
                one.started_us = _now_us()
            taken.append(one)
            events += len(one.batch.events)
        if taken:
            await self._write(taken)

    def end(self) -> None:
        """Tell what was kept back to be told, before the process ends."""
        self._endings.flush(is_end=True)

    async def _take(self, record: Record) -> _Taken | None:
        started_us = _now_us()
        try:
            return _Taken(record, decode(DecoratedBatch, record.value), started_us)
        except Rejected as error:
            await self._letters.bury(record, None, error.reason, started_us)
            return None

    async def _write(self, taken: Sequence[_Taken]) -> None:
        made = rows([one.batch for one in taken])
        tries = Tries()

        async def attempt(_number: int) -> Receipt:
            try:
                return await self._store.write(made)
            except Interrupted as error:
                tries.note(error)
                raise

        try:
            receipt = await until_available(attempt)
        except Rejected as error:
            await self._isolate(taken, error)
            return
        self._report(taken, receipt, tries)

    async def _isolate(self, taken: Sequence[_Taken], error: Rejected) -> None:
        """Write each record alone; of a refused one bury the bad events, and write the rest."""
        if len(taken) > 1:
            for one in taken:
                await self._write([one])
            return
        (one,) = taken
        refused = await until_available(lambda _number: self._store.refused(rows([one.batch])))
        if not refused:
            await self._letters.bury(one.record, one.batch, error.reason, one.started_us)
            return
        rejected = [Rejection(place, reason) for place, reason in refused.items()]
        await self._letters.bury_events(one.record, one.batch, rejected, one.started_us)
        left = without(one.batch, refused)
        if left.events:
            await self._write([replace(one, batch=left)])

    def _report(self, taken: Sequence[_Taken], receipt: Receipt, tries: Tries) -> None:
        stored = tracing.Stored(
            namespace=self._store.database,
            table="event",
            rows=sum(len(one.batch.events) for one in taken),
            operations=[*tries.told, *receipt.operations],
        )
        first = 0
        for one in taken:
            carried = tracing.read_headers(one.record.headers)
            read = read_facts(one.record, self._replica, carried, one.batch, one.started_us)
            read.attempt = 1 + tries.failed
            # The store knows what a hop can only suspect.
            read.redelivered = ""
            reading = tracing.Reading(read)
            self._measure(one, read, stored)
            for number, origin in enumerate(one.batch.origins, first):
                if self._endings.concerns(origin, stored.committed_us):
                    counts = receipt.conflicts.get(number, Counts(origin.count, 0, 0))
                    name = one.batch.events[origin.first].event_id
                    arrival = tracing.Arrival(origin, carried.trail, reading)
                    part = _part(name, arrival, counts, stored)
                    # A COMMIT that was cut off but had worked looks like an earlier delivery.
                    part.is_repeat = counts.is_repeat and not tries.is_in_doubt
                    self._endings.report(part)
            first += len(one.batch.origins)
        self._emitter.meters.stored(stored, tracing.exemplar(taken[0].batch.origins))
        self._endings.flush()

    def _measure(self, one: _Taken, read: tracing.Read, stored: tracing.Stored) -> None:
        meters = self._emitter.meters
        if not meters.are_on:
            return
        meters.read(read, stored.committed_us, tracing.exemplar(one.batch.origins))
        for origin in one.batch.origins:
            if origin.is_last:
                took_us = stored.committed_us - origin.received_us
                meters.reached_the_glass(took_us, tracing.exemplar([origin]))


def _part(
    name: str, arrival: tracing.Arrival, counts: Counts, stored: tracing.Stored
) -> tracing.Part:
    if counts.delivered_again:
        arrival.reading = tracing.Reading(replace(arrival.reading.read, redelivered="yes"))
    return tracing.Part(
        name=name,
        arrival=arrival,
        stored=stored,
        told=tracing.Told(
            stored=counts.stored + counts.delivered_again,
            already_there=counts.already_there,
            dead_lettered=arrival.origin.dead,
        ),
        is_repeat=counts.is_repeat,
    )


def _now_us() -> int:
    return time.time_ns() // 1000
