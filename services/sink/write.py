"""The work of the sink: records into transactions, and the end of every waterfall."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog

from libs import tracing
from libs.clock import now_us
from libs.errors import Rejected
from libs.events import DecoratedBatch, decode
from libs.kafka import Partition, Record, next_offsets
from libs.stage import DeadLetterLimit, Replica, read_facts, until_available
from services.sink.claims import Fenced
from services.sink.letters import Taken, letters, report_ends, tell
from services.sink.rules import Counts, Incoming, incoming
from services.sink.store import Interrupted, Receipt, Store, Transaction, Tries

_log = structlog.get_logger()


class Writer:
    """Stores records in transactions of a bounded size; records stay whole and in order."""

    def __init__(
        self,
        store: Store,
        limit: DeadLetterLimit,
        emitter: tracing.Emitter,
        replica: Replica,
        transaction_events_max: int,
    ) -> None:
        self._store = store
        self._limit = limit
        self._replica = replica
        self._transaction_events_max = transaction_events_max
        self._emitter = emitter
        self._endings = tracing.Endings(emitter)

    async def work(self, records: list[Record]) -> None:
        """Return once every record is committed, as rows or as dead letters.

        What comes from a partition that somebody else has claimed is dropped: it is theirs.
        """
        taken: list[Taken] = []
        events = 0
        for record in records:
            if not self._store.holds(_partition(record)):
                continue
            one = _take(record)
            size = len(one.batch.events) if one.batch else 0
            if taken and events + size > self._transaction_events_max:
                await self._write(taken)
                taken, events = [], 0
                # A lost connection takes all claims with it, also of what is not written yet.
                if not self._store.holds(_partition(record)):
                    continue
                # What waited for the transaction before it was not worked on yet.
                one.started_us = now_us()
            taken.append(one)
            events += size
        if taken:
            await self._write(taken)

    def end(self) -> None:
        """Tell what was kept back to be told, before the process ends."""
        self._endings.flush(is_end=True)

    async def _write(self, taken: Sequence[Taken]) -> None:
        for one in taken:
            if one.dead_share:
                await self._limit.allow(one.record, one.dead_share)
        transaction = Transaction(
            incoming(_left(taken)),
            letters(taken, self._replica, self._emitter.policy),
            next_offsets(one.record for one in taken),
        )
        tries = Tries()

        async def attempt(_number: int) -> Receipt:
            try:
                return await self._store.write(transaction)
            except Interrupted as error:
                tries.note(error)
                raise

        try:
            receipt = await until_available(attempt)
        except Rejected as error:
            await self._isolate(taken, transaction.incoming, error)
            await self._write(taken)
        except Fenced as error:
            _log.warning("fenced", partitions=sorted(error.partitions))
            mine = [one for one in taken if _partition(one.record) not in error.partitions]
            if mine:
                await self._write(mine)
        else:
            tell(receipt.letters)
            self._report(taken, receipt, tries)

    async def _isolate(self, taken: Sequence[Taken], made: Incoming, error: Rejected) -> None:
        """Find the events that the store refuses, and mark them as dead."""
        refused = await until_available(lambda _number: self._store.refused(made))
        if not refused:
            raise RuntimeError("PostgreSQL refuses rows together, and none alone") from error
        places = ((one, place) for one in taken for place in one.places_left)
        for number, (one, place) in enumerate(places):
            if number in refused:
                one.dead[place] = refused[number]

    def _report(self, taken: Sequence[Taken], receipt: Receipt, tries: Tries) -> None:
        left = _left(taken)
        stored = tracing.Stored(
            namespace=self._store.database,
            table="event",
            rows=sum(len(batch.events) for batch in left),
            operations=[*tries.told, *receipt.operations],
        )
        first = 0
        buried = {(letter.topic, letter.part, letter.offset) for letter in receipt.letters}
        for one in taken:
            if (one.record.topic, one.record.partition, one.record.offset) in buried:
                report_ends(self._emitter, self._replica, one, stored.committed_us)
            batch = one.left
            if batch is None:
                continue
            carried = tracing.read_headers(one.record.headers)
            read = read_facts(one.record, self._replica, carried, batch, one.started_us)
            read.attempt = 1 + tries.failed
            # The store knows what a hop can only suspect.
            read.redelivered = ""
            reading = tracing.Reading(read)
            self._measure(batch, read, stored)
            for number, origin in enumerate(batch.origins, first):
                if self._endings.concerns(origin, stored.committed_us):
                    counts = receipt.conflicts.get(number, Counts(origin.count, 0, 0))
                    name = batch.events[origin.first].event_id
                    arrival = tracing.Arrival(origin, carried.trail, reading)
                    self._endings.report(_part(name, arrival, counts, stored))
            first += len(batch.origins)
        self._emitter.meters.stored(stored, tracing.exemplar(left[0].origins) if left else None)
        self._endings.flush()

    def _measure(self, batch: DecoratedBatch, read: tracing.Read, stored: tracing.Stored) -> None:
        meters = self._emitter.meters
        if not meters.are_on:
            return
        meters.read(read, stored.committed_us, tracing.exemplar(batch.origins))
        for origin in batch.origins:
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


def _take(record: Record) -> Taken:
    started_us = now_us()
    try:
        return Taken(record, started_us, decode(DecoratedBatch, record.value))
    except Rejected as error:
        return Taken(record, started_us, unread=error.reason)


def _left(taken: Sequence[Taken]) -> list[DecoratedBatch]:
    return [batch for one in taken if (batch := one.left) is not None]


def _partition(record: Record) -> Partition:
    return Partition(record.topic, record.partition)
