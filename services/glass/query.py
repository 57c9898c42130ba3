"""What may be asked of the table `event`, and how it is asked."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from libs import timestamps
from libs.errors import Rejected, Unavailable
from libs.events import canonical_name
from services.glass.settings import Settings

LIMIT_DEFAULT = 100
LIMIT_MAX = 1_000

_CONNECT_TIMEOUT_S = 5.0
# The server's limit comes first; this one is for a server that does not answer at all.
_ANSWER_GRACE_S = 2.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAME_CHARS_MAX = 512
_NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

_COLUMNS = """e.tenant, e.event_id, e.name, e.value, e.unit, e.timestamp, e.attributes::text,
       e.owner, e.team, e.region, e.trace_id, e.received_at, e.stored_at"""

# The key begins with the tenant, so the few tenants there are come first, each by one step in
# the index, and then one look-up for each.
_BY_ID = f"""
with recursive known(tenant) as (
    select min(tenant) from event where $2::text is null
    union all
    select (select min(tenant) from event where tenant > known.tenant)
    from known where known.tenant is not null
), asked(tenant) as (
    select tenant from known where tenant is not null union select $2 where $2 is not null
)
select {_COLUMNS}
from asked join event e on e.tenant = asked.tenant and e.event_id = $1
order by e.tenant
"""  # noqa: S608  (a fixed list of columns, no input)

_BY_NAME = f"""
select {_COLUMNS}
from event e
where e.name = $1 and e.timestamp >= $3 and ($2::text is null or e.tenant = $2)
order by e.timestamp desc, e.event_id
limit $4
"""  # noqa: S608  (a fixed list of columns, no input)

# The database is there and does not do what it is asked, for now.
_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    # A connection that the server has said goodbye to, and that is not yet closed.
    asyncpg.InternalClientError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    OSError,
)


class Question(msgspec.Struct, frozen=True):
    """Either one event by its id, or the newest of a name."""

    event_id: UUID | None = None
    name: str = ""
    since: datetime = _EPOCH
    limit: int = LIMIT_DEFAULT


class SeenEvent(msgspec.Struct, frozen=True):
    """A row of the table `event`; times are RFC 3339 in UTC with six decimals."""

    tenant: str
    event_id: str
    name: str
    value: float
    unit: str | None
    timestamp: str
    attributes: msgspec.Raw
    owner: str | None
    team: str | None
    region: str | None
    trace_id: str
    received_at: str
    stored_at: str


def question(parameters: Sequence[tuple[str, str]]) -> Question:
    """Read the parameters of a query. Raises `Rejected` with what to change."""
    asked = dict(parameters)
    if len(asked) != len(parameters):
        raise Rejected("a parameter stands twice")
    unknown = asked.keys() - {"event_id", "name", "since", "limit"}
    if unknown:
        raise Rejected(f"there is no parameter {min(unknown)[:64]!r}")
    if "event_id" in asked:
        if len(asked) > 1:
            raise Rejected("event_id stands alone, without other parameters")
        return Question(event_id=_event_id(asked["event_id"]))
    if "name" not in asked:
        raise Rejected("give event_id, or name")
    return Question(name=_name(asked["name"]), since=_since(asked), limit=_limit(asked))


def _event_id(text: str) -> UUID:
    if not _UUID.fullmatch(text):
        raise Rejected("event_id must be a UUID with hyphens")
    return UUID(text)


def _name(text: str) -> str:
    name = canonical_name(text) if len(text) <= _NAME_CHARS_MAX else ""
    if not name or "\0" in name:
        raise Rejected(f"name must be text of 1 to {_NAME_CHARS_MAX} characters")
    return name


def _since(asked: Mapping[str, str]) -> datetime:
    text = asked.get("since")
    if text is None:
        return _EPOCH
    # A `+` that was not escaped in the address has become a space.
    sent = float(text) if _NUMBER.fullmatch(text) else re.sub(r" (?=\d\d:\d\d$)", "+", text)
    try:
        return datetime.fromisoformat(timestamps.written(timestamps.parse(sent)))
    except ValueError as error:
        raise Rejected(f"since {error}") from error


def _limit(asked: Mapping[str, str]) -> int:
    text = asked.get("limit", str(LIMIT_DEFAULT))
    limit = int(text) if text.isascii() and text.isdigit() and len(text) <= len("1000") else 0
    if not 1 <= limit <= LIMIT_MAX:
        raise Rejected(f"limit must be a number from 1 to {LIMIT_MAX}")
    return limit


class Events:
    """The table `event`, read only."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], wait_s: float) -> None:
        self._pool = pool
        self._wait_s = wait_s

    async def find(self, asked: Question, tenant: str | None) -> list[SeenEvent]:
        """Answer a question for one tenant, or for all; newest first. Raises `Unavailable`."""
        if asked.event_id is not None:
            rows = await self._fetch(_BY_ID, asked.event_id, tenant)
        else:
            rows = await self._fetch(_BY_NAME, asked.name, tenant, asked.since, asked.limit)
        return [_seen(row) for row in rows]

    async def check(self) -> None:
        """Raise `Unavailable` unless the table can be read."""
        await self._fetch("select 1 from event limit 1")

    async def _fetch(self, sql: str, *arguments: object) -> list[asyncpg.Record]:
        try:
            async with self._pool.acquire(timeout=self._wait_s) as connection:
                return await connection.fetch(sql, *arguments)
        except asyncpg.UndefinedTableError as error:
            raise Unavailable("the table event is not there yet; the sink makes it") from error
        except asyncpg.QueryCanceledError as error:
            raise Unavailable("the query took too long; ask for less") from error
        except TimeoutError as error:
            raise Unavailable("PostgreSQL is busy or does not answer") from error
        except _AWAY as error:
            raise Unavailable(f"PostgreSQL cannot be asked: {type(error).__name__}") from error


@asynccontextmanager
async def opened(settings: Settings) -> AsyncGenerator[Events]:
    """Yield the table; connections are made when there is something to ask."""
    pool = asyncpg.create_pool(
        settings.database_url.get_secret_value(),
        min_size=0,
        max_size=settings.pool_connections_max,
        timeout=_CONNECT_TIMEOUT_S,
        command_timeout=settings.query_timeout_s + _ANSWER_GRACE_S,
        server_settings={
            "application_name": f"glass-{settings.replica}",
            "default_transaction_read_only": "on",
            "statement_timeout": str(round(settings.query_timeout_s * 1_000)),
            "timezone": "UTC",
        },
    )
    await pool
    try:
        yield Events(pool, settings.pool_wait_s)
    finally:
        pool.terminate()


def _seen(row: asyncpg.Record) -> SeenEvent:
    fields: dict[str, Any] = dict(row)
    for key in ("timestamp", "received_at", "stored_at"):
        fields[key] = timestamps.written(fields[key])
    fields["event_id"] = str(fields["event_id"])
    fields["attributes"] = msgspec.Raw(fields["attributes"].encode())
    return SeenEvent(**fields)
