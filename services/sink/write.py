"""The work of the sink: records into transactions, and the end of every waterfall."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from libs import tracing
from libs.errors import Rejected
from libs.events import DecoratedBatch, Origin, Rejection, decode, without
from libs.kafka import Record
from libs.stage import DeadLetters, Replica, read_facts, until_available
from services.sink.rules import Counts, Tally, Told, rows
from services.sink.store import CommitInDoubt, Receipt, Store


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
        self._emitter = emitter
        self._replica = replica
        self._transaction_events_max = transaction_events_max
        self._tally = Tally()

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

    async def _take(self, record: Record) -> _Taken | None:
        started_us = _now_us()
        try:
            return _Taken(record, decode(DecoratedBatch, record.value), started_us)
        except Rejected as error:
            await self._letters.bury(record, None, error.reason, started_us)
            return None

    async def _write(self, taken: Sequence[_Taken]) -> None:
        made = rows([one.batch for one in taken])
        tries, is_in_doubt = 0, False

        async def attempt(number: int) -> Receipt:
            nonlocal tries, is_in_doubt
            tries = number
            try:
                return await self._store.write(made)
            except CommitInDoubt:
                is_in_doubt = True
                raise

        try:
            receipt = await until_available(attempt)
        except Rejected as error:
            await self._isolate(taken, error)
            return
        self._report(taken, receipt, tries, is_in_doubt=is_in_doubt)

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

    def _report(
        self, taken: Sequence[_Taken], receipt: Receipt, tries: int, *, is_in_doubt: bool
    ) -> None:
        stored = tracing.Stored(
            namespace=self._store.database,
            table="event",
            copy_us=receipt.copy_us,
            insert_us=receipt.insert_us,
            commit_us=receipt.commit_us,
            committed_us=receipt.committed_us,
            rows=sum(len(one.batch.events) for one in taken),
        )
        ended: set[tuple[str, str]] = set()
        for number, one, origin in _origins(taken):
            for leg in tracing.legs([origin]).values():
                carried = tracing.read_headers(one.record.headers)
                read = read_facts(one.record, self._replica, carried, one.batch, one.started_us)
                read.attempt = tries
                tracing.report_read(self._emitter, leg, read, receipt.committed_us)
                tracing.report_store(self._emitter, leg, stored)
                counts = receipt.conflicts.get(number, Counts(origin.count, 0, 0))
                part = one.batch.events[origin.first].event_id
                told = self._tally.add(origin, part, _told(origin, counts))
                # The same record twice in one transaction has one end.
                end = (origin.trace_id, part)
                # A COMMIT that was cut off but had worked looks like an earlier delivery, and was
                # our own.
                is_first = is_in_doubt or not counts.is_repeat
                if origin.is_last and is_first and end not in ended:
                    ended.add(end)
                    ending = tracing.Ending(*told)
                    tracing.report_root(self._emitter, leg, ending, receipt.committed_us)


def _told(origin: Origin, counts: Counts) -> Told:
    return Told(
        stored=counts.stored + counts.delivered_again,
        already_there=counts.already_there,
        dead_lettered=origin.dead,
    )


def _origins(taken: Sequence[_Taken]) -> Iterator[tuple[int, _Taken, Origin]]:
    """Number the origins as `rows` does."""
    pairs = ((one, origin) for one in taken for origin in one.batch.origins)
    for number, (one, origin) in enumerate(pairs):
        yield number, one, origin


def _now_us() -> int:
    return time.time_ns() // 1000
