"""The store: batches of events into PostgreSQL, each event once."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import asyncpg
import structlog

from libs.errors import Rejected, Unavailable
from libs.tracing import Operation, names
from services.sink import schema
from services.sink.rules import Counts, Row

_log = structlog.get_logger()

_CONNECT_TIMEOUT_S = 5.0
_STATEMENT_TIMEOUT_S = 30.0
# The server's own limits, so that a sink that hangs cannot hold rows for ever.
_SESSION = {
    "statement_timeout": "30s",
    "lock_timeout": "20s",
    "idle_in_transaction_session_timeout": "20s",
    "timezone": "UTC",
}

_INCOMING = """
create temporary table incoming (
    origin int, tenant text, event_id text, name text, value float8, unit text, timestamp text,
    attributes text, owner text, team text, region text, trace_id text, received_us bigint
) on commit delete rows
"""

# Sorted, so that two replicas that hold the same events cannot wait for each other in a circle.
_INSERT = """
insert into event
select tenant, event_id::uuid, name, value, unit, timestamp::timestamptz, attributes::jsonb,
       owner, team, region, trace_id,
       timestamptz 'epoch' + received_us * interval '1 microsecond', clock_timestamp()
from incoming
order by tenant, event_id
on conflict do nothing
"""

# What was there before: the same request delivered again, or another request's event. A trusted
# client may send several requests in one trace, so the moment of the receipt tells them apart.
_OUTCOMES = """
select origin,
       count(*) filter (where is_same and is_new) as stored,
       count(*) filter (where is_same and not is_new) as delivered_again,
       count(*) filter (where not is_same) as already_there
from (
    select i.origin as origin,
           e.trace_id = i.trace_id and e.received_at =
               timestamptz 'epoch' + i.received_us * interval '1 microsecond' as is_same,
           e.xmin::text = pg_current_xact_id()::xid::text as is_new
    from incoming i
    join event e on e.tenant = i.tenant and e.event_id = i.event_id::uuid
) found
group by origin
"""

# Bad for ever: the rows themselves are refused.
_REFUSED = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    OverflowError,
    UnicodeEncodeError,
)
# Bad for now: connection, deadlock, resources, operator's intervention.
_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.TransactionRollbackError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InterfaceError,
    OSError,
    TimeoutError,
)


@dataclass(slots=True)
class Receipt:
    """The steps of one transaction; `conflicts` by origin, empty if every row was new."""

    operations: list[Operation]
    conflicts: dict[int, Counts] = field(default_factory=dict[int, Counts])


class Interrupted(Unavailable):
    """PostgreSQL went away in the middle of an operation.

    If it was the COMMIT, its answer was lost and the rows may be stored. They may be sent again.
    """

    def __init__(self, what: str, operation: Operation) -> None:
        super().__init__(what)
        self.operation = operation

    @property
    def is_in_doubt(self) -> bool:
        """Whether the rows may be stored all the same."""
        return self.operation.name == names.COMMIT


class Tries:
    """The tries at one transaction that failed: how many, and the first and the last of them."""

    def __init__(self) -> None:
        self.failed = 0
        self.is_in_doubt = False
        self.told: list[Operation] = []

    def note(self, error: Interrupted) -> None:
        """Take note of one, in the log, too."""
        self.failed += 1
        self.is_in_doubt = self.is_in_doubt or error.is_in_doubt
        self.told = [*self.told[:1], error.operation]
        _log.warning(
            "db.client.operation.exception",
            operation=error.operation.name,
            exception_type=error.operation.error_type,
            exception_message=str(error),
            attempt=self.failed,
        )


class Store:
    """One connection, opened when needed and given up when it fails."""

    def __init__(self, url: str, application_name: str) -> None:
        self._url = url
        self._application_name = application_name
        self.database = urlsplit(url).path.lstrip("/")
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    async def write(self, rows: list[Row]) -> Receipt:
        """Store the rows in one transaction; returns once it is committed.

        Raises `Rejected` if PostgreSQL refuses a row and `Interrupted` if it cannot be reached or
        does not answer; in the second case the rows may be sent again.
        """
        steps = _Steps()
        try:
            connection = await self._connected()
            return await _write(connection, rows, steps)
        except _REFUSED as error:
            raise Rejected(f"the store refuses a row: {error}") from error
        except _AWAY as error:
            await self.close()
            operation = steps.end(type(error).__name__)
            what = f"PostgreSQL, {operation.name}: {operation.error_type}: {error}"
            raise Interrupted(what, operation) from error

    async def refused(self, rows: list[Row]) -> dict[int, str]:
        """Try rows and keep none: the places of those that PostgreSQL refuses, and why.

        Raises `Unavailable` if it cannot be reached or does not answer.
        """
        try:
            connection = await self._connected()
            trial = connection.transaction()
            await trial.start()
            try:
                return await _refused(connection, rows, 0)
            finally:
                await trial.rollback()
        except _AWAY as error:
            await self.close()
            raise Unavailable(f"PostgreSQL: {type(error).__name__}: {error}") from error

    async def open(self) -> None:
        """Connect and bring the schema up to date. Raises `Unavailable`."""
        try:
            await self._connected()
        except _AWAY as error:
            raise Unavailable(f"PostgreSQL: {type(error).__name__}: {error}") from error

    async def close(self) -> None:
        """Give the connection up without waiting for what runs on it."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _connected(self) -> asyncpg.Connection[asyncpg.Record]:
        if self._connection is None or self._connection.is_closed():
            connection = await asyncpg.connect(
                self._url,
                timeout=_CONNECT_TIMEOUT_S,
                command_timeout=_STATEMENT_TIMEOUT_S,
                server_settings={**_SESSION, "application_name": self._application_name},
            )
            try:
                await schema.apply(connection)
                await connection.execute(_INCOMING)
            except BaseException:
                connection.terminate()
                raise
            self._connection = connection
        return self._connection


class _Steps:
    """The operations of a transaction, one after the other."""

    def __init__(self) -> None:
        self.done: list[Operation] = []
        self._name, self._started_us = names.CONNECT, _now_us()

    def begin(self, name: str) -> None:
        """Begin an operation."""
        self._name, self._started_us = name, _now_us()

    def end(self, error_type: str = "") -> Operation:
        """End the operation that runs."""
        self.done.append(Operation(self._name, self._started_us, _now_us(), error_type))
        return self.done[-1]


async def _write(
    connection: asyncpg.Connection[asyncpg.Record], rows: list[Row], steps: _Steps
) -> Receipt:
    transaction = connection.transaction()
    steps.begin(names.COPY)
    await transaction.start()
    try:
        await _copy(connection, rows)
        steps.end()
        steps.begin(names.INSERT)
        inserted = int((await connection.execute(_INSERT)).rsplit(" ", 1)[1])
        conflicts = {} if inserted == len(rows) else await _outcomes(connection)
        steps.end()
    except BaseException:
        if not connection.is_closed():
            await transaction.rollback()
        raise
    steps.begin(names.COMMIT)
    await transaction.commit()
    steps.end()
    return Receipt(steps.done, conflicts)


async def _copy(connection: asyncpg.Connection[asyncpg.Record], rows: list[Row]) -> None:
    await connection.copy_records_to_table("incoming", records=rows, columns=Row._fields)


async def _refused(
    connection: asyncpg.Connection[asyncpg.Record], rows: list[Row], first: int
) -> dict[int, str]:
    """Find the refused rows by halves; a savepoint a try. `first` is the place of `rows[0]`."""
    savepoint = connection.transaction()
    await savepoint.start()
    try:
        await _copy(connection, rows)
        await connection.execute(_INSERT)
    except _REFUSED as error:
        reason = f"the store refuses it: {error}"
    else:
        return {}
    finally:
        await savepoint.rollback()
    if len(rows) == 1:
        return {first: reason}
    half = len(rows) // 2
    left = await _refused(connection, rows[:half], first)
    return left | await _refused(connection, rows[half:], first + half)


async def _outcomes(connection: asyncpg.Connection[asyncpg.Record]) -> dict[int, Counts]:
    found = await connection.fetch(_OUTCOMES)
    return {
        row["origin"]: Counts(row["stored"], row["delivered_again"], row["already_there"])
        for row in found
    }


@asynccontextmanager
async def opened(url: str, application_name: str) -> AsyncGenerator[Store]:
    """Yield a store that is connected and has its schema. Raises `Unavailable`."""
    store = Store(url, application_name)
    try:
        await store.open()
        yield store
    finally:
        await store.close()


def _now_us() -> int:
    return time.time_ns() // 1000
