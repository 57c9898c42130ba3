"""The store: events, dead letters and offsets into PostgreSQL, together and once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import asyncpg
import structlog

from libs.clock import now_us
from libs.errors import Rejected, Unavailable
from libs.kafka import Partition
from libs.stage import Failpoints, until_available
from libs.tracing import Operation, names
from services.sink import claims, session
from services.sink.claims import Claim, Fenced, Move
from services.sink.letters import Letter
from services.sink.rules import Counts, Incoming, Row

_log = structlog.get_logger()

# The requests of a transaction, by their places; what their events share is not copied for each.
_REQUESTS = """
unnest($1::int[], $2::text[], $3::text[], $4::bigint[])
    as request(origin, tenant, trace_id, received_us)
"""

# Sorted, so that two replicas that hold the same events cannot wait for each other in a circle.
_INSERT = f"""
insert into event (tenant, event_id, name, value, unit, timestamp, attributes, owner, team, region,
                   trace_id, received_at, stored_at)
select tenant, event_id::uuid, name, value, unit, timestamp::timestamptz, attributes::jsonb,
       owner, team, region, trace_id,
       timestamptz 'epoch' + received_us * interval '1 microsecond', clock_timestamp()
from incoming join {_REQUESTS} using (origin)
order by tenant, event_id
on conflict do nothing
"""  # noqa: S608  (a fixed text, no input)

_BURY = f"""
insert into dead_letter ({", ".join(f'"{column}"' for column in Letter._fields)})
values ({", ".join(f"${number}" for number in range(1, len(Letter._fields) + 1))})
on conflict do nothing
returning true
"""  # noqa: S608  (a fixed list of columns, no input)

# What was there before: the same request copied by a hop, or another request's event. A trusted
# client may send several requests in one trace, so the moment of the receipt tells them apart.
_OUTCOMES = f"""
select origin,
       count(*) filter (where is_same and is_new) as stored,
       count(*) filter (where is_same and not is_new) as delivered_again,
       count(*) filter (where not is_same) as already_there
from (
    select origin,
           e.trace_id = request.trace_id and e.received_at =
               timestamptz 'epoch' + received_us * interval '1 microsecond' as is_same,
           e.xmin::text = pg_current_xact_id()::xid::text as is_new
    from incoming i join {_REQUESTS} using (origin)
    join event e on e.tenant = request.tenant and e.event_id = i.event_id::uuid
) found
group by origin
"""  # noqa: S608  (a fixed text, no input)


@dataclass(slots=True)
class Receipt:
    """The steps of one transaction; `conflicts` by origin, empty if every row was new."""

    operations: list[Operation]
    conflicts: dict[int, Counts] = field(default_factory=dict[int, Counts])
    # Those that were not there before.
    letters: list[Letter] = field(default_factory=list[Letter])


@dataclass(slots=True)
class Transaction:
    """What is stored together, and up to where each partition is done with it.

    `unsure` is what was done when the answer to the COMMIT did not come.
    """

    incoming: Incoming = field(default_factory=Incoming)
    letters: list[Letter] = field(default_factory=list[Letter])
    ends: Mapping[Partition, int] = field(default_factory=dict[Partition, int])
    unsure: Receipt | None = None


class Interrupted(Unavailable):
    """PostgreSQL went away in the middle of an operation; the transaction may be tried again."""

    def __init__(self, what: str, operation: Operation) -> None:
        super().__init__(what)
        self.operation = operation


class Tries:
    """The tries at one transaction that failed: how many, and the first and the last of them."""

    def __init__(self) -> None:
        self.failed = 0
        self.told: list[Operation] = []

    def note(self, error: Interrupted) -> None:
        """Take note of one, in the log, too."""
        self.failed += 1
        self.told = [*self.told[:1], error.operation]
        _log.warning(
            "db.client.operation.exception",
            operation=error.operation.name,
            exception_type=error.operation.error_type,
            exception_message=str(error),
            attempt=self.failed,
        )


class Store:
    """One connection, opened when needed and given up when it fails, and the claims made by it."""

    def __init__(self, url: str, application_name: str, failpoints: Failpoints) -> None:
        self._url = url
        self._application_name = application_name
        self._failpoints = failpoints
        self.database = urlsplit(url).path.lstrip("/")
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._held: dict[Partition, Claim] = {}
        # Held on a connection that is gone: a database that comes back may have lost its last
        # commits, and what was polled of them meanwhile was dropped, so each is claimed again.
        self._unconfirmed: set[Partition] = set()

    async def claim(self, partition: Partition, beginning: int) -> int:
        """Become the one who writes what comes from a partition; returns the next offset.

        Waits for an owner that is just committing. Raises `Unavailable`.
        """
        await self._failpoints.visit("rebalance.in_assign")
        self._held.pop(partition, None)
        with self._unavailable():
            connection = await self._connected()
            claim = await claims.take(connection, partition, beginning, self._application_name)
        self._held[partition] = claim
        self._unconfirmed.discard(partition)
        return claim.next_offset

    async def move(self, partition: Partition, offset: int) -> None:
        """Go on elsewhere in a partition that is held. Raises `Unavailable`."""
        try:
            await self.write(Transaction(ends={partition: offset}))
        except Fenced as error:
            raise Unavailable(str(error)) from error

    def holds(self, partition: Partition) -> bool:
        """Whether nobody has claimed the partition since, as far as is known."""
        return partition in self._held and partition not in self._unconfirmed

    async def write(self, transaction: Transaction) -> Receipt:
        """Store a transaction; returns once it is committed, maybe by an earlier try.

        Raises `Rejected` if PostgreSQL refuses a row, `Fenced` if a partition was claimed by
        somebody else, and `Interrupted` if PostgreSQL cannot be reached or does not answer; then
        the same transaction may be written again.
        """
        steps = _Steps()
        try:
            made = claims.moves(self._held, transaction.ends)
            connection = await self._connected()
            receipt = await self._write(connection, transaction, made, steps)
        except Fenced as lost:
            for partition in lost.partitions:
                self._held.pop(partition, None)
            raise
        except session.REFUSED as error:
            raise Rejected(f"the store refuses a row: {error}") from error
        except session.AWAY as error:
            self.close()
            operation = steps.end(type(error).__name__)
            what = f"PostgreSQL, {operation.name}: {operation.error_type}: {error}"
            raise Interrupted(what, operation) from error
        self._held |= {one.partition: Claim(one.claim.epoch, one.end) for one in made}
        return receipt

    async def _write(
        self,
        connection: asyncpg.Connection[asyncpg.Record],
        transaction: Transaction,
        made: list[Move],
        steps: _Steps,
    ) -> Receipt:
        scope = connection.transaction()
        steps.begin(names.COPY)
        await scope.start()
        try:
            # The copy before the move: a copy that hangs ends by no time-out, and would keep the
            # partition from its next owner.
            await _copy(connection, transaction.incoming)
            steps.end()
            steps.begin(names.INSERT)
            await claims.move(connection, made)
            await self._failpoints.visit("sink.in_copy")
            buried = await _bury(connection, transaction.letters)
            conflicts = await _insert(connection, transaction.incoming)
            steps.end()
            await self._failpoints.visit("sink.before_commit")
        except Fenced:
            # First, so that what is read back is not what this try has just done.
            await scope.rollback()
            earlier = transaction.unsure
            if earlier is None or not await claims.were_made(connection, made):
                raise
            steps.begin(names.COMMIT)
            return Receipt([*earlier.operations, steps.end()], earlier.conflicts, earlier.letters)
        except BaseException:
            if not connection.is_closed():
                await scope.rollback()
            raise
        transaction.unsure = Receipt([*steps.done], conflicts, buried)
        steps.begin(names.COMMIT)
        await scope.commit()
        steps.end()
        await self._failpoints.visit("sink.after_pg_commit")
        return Receipt(steps.done, conflicts, buried)

    async def refused(self, incoming: Incoming) -> dict[int, str]:
        """Try rows and keep none: the places of those that PostgreSQL refuses, and why.

        Raises `Unavailable` if it cannot be reached or does not answer.
        """
        with self._unavailable():
            connection = await self._connected()
            trial = connection.transaction()
            await trial.start()
            try:
                return await _refused(connection, incoming, 0)
            finally:
                await trial.rollback()

    async def open(self) -> None:
        """Connect and bring the schema up to date. Raises `Unavailable` and `Misconfigured`."""
        with self._unavailable():
            await self._connected()

    def close(self) -> None:
        """Give the connection up without waiting for what runs on it."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
            self._unconfirmed |= self._held.keys()

    @contextmanager
    def _unavailable(self) -> Generator[None]:
        try:
            yield
        except session.AWAY as error:
            self.close()
            raise Unavailable(f"PostgreSQL: {type(error).__name__}: {error}") from error

    async def _connected(self) -> asyncpg.Connection[asyncpg.Record]:
        if self._connection is None or self._connection.is_closed():
            self.close()
            statements = (_INSERT, _OUTCOMES, _BURY)
            self._connection = await session.opened(self._url, self._application_name, statements)
        return self._connection


class _Steps:
    """The operations of a transaction, one after the other."""

    def __init__(self) -> None:
        self.done: list[Operation] = []
        self._name, self._started_us = names.CONNECT, now_us()

    def begin(self, name: str) -> None:
        """Begin an operation."""
        self._name, self._started_us = name, now_us()

    def end(self, error_type: str = "") -> Operation:
        """End the operation that runs."""
        self.done.append(Operation(self._name, self._started_us, now_us(), error_type))
        return self.done[-1]


async def _copy(connection: asyncpg.Connection[asyncpg.Record], incoming: Incoming) -> None:
    if incoming.rows:
        await connection.copy_records_to_table(
            "incoming", records=incoming.rows, columns=Row._fields
        )


async def _bury(
    connection: asyncpg.Connection[asyncpg.Record], letters: list[Letter]
) -> list[Letter]:
    """Insert letters; returns those that were not there, also not of a copy of the record."""
    return [letter for letter in letters if await connection.fetchval(_BURY, *letter)]


async def _insert(
    connection: asyncpg.Connection[asyncpg.Record], incoming: Incoming
) -> dict[int, Counts]:
    """Insert what was copied; returns what was there, by origin."""
    if not incoming.rows:
        return {}
    columns = _columns(incoming)
    inserted = int((await connection.execute(_INSERT, *columns)).rsplit(" ", 1)[1])
    return {} if inserted == len(incoming.rows) else await _outcomes(connection, columns)


async def _refused(
    connection: asyncpg.Connection[asyncpg.Record], incoming: Incoming, first: int
) -> dict[int, str]:
    """Find the refused rows by halves; a savepoint a try. `first` is the place of the first row."""
    savepoint = connection.transaction()
    await savepoint.start()
    try:
        await _copy(connection, incoming)
        await connection.execute(_INSERT, *_columns(incoming))
    except session.REFUSED as error:
        reason = f"the store refuses it: {error}"
    else:
        return {}
    finally:
        await savepoint.rollback()
    rows = incoming.rows
    if len(rows) == 1:
        return {first: reason}
    half = len(rows) // 2
    left = await _refused(connection, Incoming(incoming.requests, rows[:half]), first)
    right = Incoming(incoming.requests, rows[half:])
    return left | await _refused(connection, right, first + half)


async def _outcomes(
    connection: asyncpg.Connection[asyncpg.Record], columns: Sequence[Sequence[object]]
) -> dict[int, Counts]:
    found = await connection.fetch(_OUTCOMES, *columns)
    return {
        row["origin"]: Counts(row["stored"], row["delivered_again"], row["already_there"])
        for row in found
    }


def _columns(incoming: Incoming) -> Sequence[Sequence[object]]:
    """Give the requests of these rows, and of no others, as the columns that statements take."""
    places = sorted({row.origin for row in incoming.rows})
    return places, *zip(*(incoming.requests[place] for place in places), strict=True)


@asynccontextmanager
async def opened(
    url: str,
    application_name: str,
    failpoints: Failpoints | None = None,
    *,
    patience_s: float = 0.0,
) -> AsyncGenerator[Store]:
    """Yield a store that is connected and has its schema, once PostgreSQL is there.

    Raises `Misconfigured` at once, and `Unavailable` if it is away for longer than `patience_s`.
    """
    store = Store(url, application_name, failpoints or Failpoints())
    try:
        await until_available(lambda _attempt: store.open(), patience_s)
        yield store
    finally:
        store.close()
