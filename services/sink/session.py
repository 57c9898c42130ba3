"""A connection to PostgreSQL as the sink needs it, and what its errors mean."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from libs.errors import Misconfigured
from services.sink import schema

_CONNECT_TIMEOUT_S = 5.0
_STATEMENT_TIMEOUT_S = 30.0
# The server's own limits, so that a sink that hangs, or whose machine is gone, cannot keep others
# from its partitions: they wait for it for so long at most.
_SESSION = {
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "5s",
    "client_connection_check_interval": "5s",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "2",
    "tcp_user_timeout": "15000",
    "timezone": "UTC",
}

_INCOMING = """
create temporary table incoming (
    origin int, event_id text, name text, value float8, unit text, timestamp text,
    attributes text, owner text, team text, region text
) on commit delete rows
"""

# Bad for ever: the rows themselves are refused.
REFUSED = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    OverflowError,
    UnicodeEncodeError,
)
# Bad for now: connection, deadlock, resources, operator's intervention.
AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.TransactionRollbackError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    # A standby, in the moment of a switchover; and the disk beneath it.
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.PostgresIOError,
    asyncpg.InterfaceError,
    # The client's own disorder, which a backend that is terminated between two steps causes.
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)

# Bad until somebody corrects it: waiting for a connection does not help.
_WRONG = (
    asyncpg.ClientConfigurationError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)


async def opened(
    url: str, application_name: str, statements: Sequence[str]
) -> asyncpg.Connection[asyncpg.Record]:
    """Connect, and bring the schema up to date.

    Raises `Misconfigured` if it is refused or the tables do not fit, and what `AWAY` names.
    """
    connection = await _connected(url, application_name)
    try:
        await _prepare(connection, statements)
    except BaseException:
        connection.terminate()
        raise
    return connection


async def _connected(url: str, application_name: str) -> asyncpg.Connection[asyncpg.Record]:
    try:
        return await asyncpg.connect(
            url,
            timeout=_CONNECT_TIMEOUT_S,
            command_timeout=_STATEMENT_TIMEOUT_S,
            server_settings={**_SESSION, "application_name": application_name},
        )
    except _WRONG as error:
        raise Misconfigured(
            f"DATABASE_URL: {error}; correct its user, password or database, or make them in "
            "PostgreSQL"
        ) from error


async def _prepare(
    connection: asyncpg.Connection[asyncpg.Record], statements: Sequence[str]
) -> None:
    try:
        await schema.apply(connection)
        await connection.execute(_INCOMING)
        for statement in statements:
            await connection.prepare(statement)
    except asyncpg.InsufficientPrivilegeError as error:
        raise Misconfigured(
            f"DATABASE_URL: {error}; grant its user what it lacks, or name the owner of the tables"
        ) from error
    except asyncpg.SyntaxOrAccessError as error:
        raise Misconfigured(
            f"the tables in PostgreSQL are not those of this version: {error}; restore them, or "
            "give DATABASE_URL another database"
        ) from error
