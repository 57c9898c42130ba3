"""Where entities come from, a file or a table, and how they are kept up to date while running."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Protocol

import asyncpg
import msgspec
import structlog

from libs.errors import Unavailable
from services.decorate.rules import Entities, Entity

_log = structlog.get_logger()

_FILE_BYTES_MAX = 67_108_864
_CONNECT_TIMEOUT_S = 5.0
_STATEMENT_TIMEOUT_S = 10.0
# Any fixed number: replicas that start together make the table one after the other.
_LOCK = 7_401

# One row of `entity_version` counts the changes, whoever makes them and however.
_TABLE = """
create table if not exists entity (
    name text primary key, owner text, team text, region text
);
create table if not exists entity_version (
    version bigint not null, only_row boolean primary key default true check (only_row)
);
insert into entity_version values (1) on conflict do nothing;
create or replace function count_entity_change() returns trigger language plpgsql as
    'begin update entity_version set version = version + 1; return null; end';
create or replace trigger entity_changed
    after insert or update or delete or truncate on entity
    for each statement execute function count_entity_change();
"""

_decoder = msgspec.json.Decoder(Entities)


class Source(Protocol):
    """Something that holds entities and knows whether they have changed."""

    async def read(self) -> Entities | None:
        """Read the entities; `None` if they are as they were at the last call.

        Raises `Broken` if they cannot be understood and `Unavailable` if they cannot be reached;
        either is raised once for a change, the next call looks for the next change.
        """
        ...


class Broken(Exception):
    """The entities are there, and are not what they must be; says where."""


class FileSource:
    """A JSON file: `{"version": 1, "entities": {"checkout": {"owner": …, "team": …}}}`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None

    async def read(self) -> Entities | None:
        """Read the file if it is another one, or has another size or time."""
        return await asyncio.to_thread(self._read)

    def _read(self) -> Entities | None:
        try:
            status = self._path.stat()
            seen = (status.st_ino, status.st_size, status.st_mtime_ns)
            if seen == self._seen:
                return None
            if status.st_size > _FILE_BYTES_MAX:
                self._seen = seen
                raise Broken(f"{self._path} is larger than {_FILE_BYTES_MAX} bytes")
            encoded = self._path.read_bytes()
            self._seen = seen
            return _decoder.decode(encoded)
        except OSError as error:
            raise Unavailable(f"{self._path} cannot be read: {error.strerror}") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Broken(f"{self._path} does not hold entities: {error}") from error


class TableSource:
    """The table `entity` in PostgreSQL, made on the first call if it is not there."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._seen: int | None = None

    async def read(self) -> Entities | None:
        """Read the table if its version is another one."""
        try:
            return await self._read()
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise Unavailable(f"the table entity: {type(error).__name__}: {error}") from error

    async def _read(self) -> Entities | None:
        connection = await asyncpg.connect(
            self._url, timeout=_CONNECT_TIMEOUT_S, command_timeout=_STATEMENT_TIMEOUT_S
        )
        try:
            if self._seen is None:
                await _make_table(connection)
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                version: int = await connection.fetchval("select version from entity_version")
                if version == self._seen:
                    return None
                rows = await connection.fetch("select name, owner, team, region from entity")
        finally:
            await connection.close(timeout=_CONNECT_TIMEOUT_S)
        self._seen = version
        entities = {row["name"]: Entity(row["owner"], row["team"], row["region"]) for row in rows}
        return Entities(version, entities)


class Lookup:
    """The newest entities that could be read; `entities` is replaced, never changed."""

    def __init__(self, entities: Entities) -> None:
        self.entities = entities


def source(where: str, database_url: str) -> Source:
    """Choose the source: `table`, or the path of a file."""
    return TableSource(database_url) if where == "table" else FileSource(Path(where))


@contextlib.asynccontextmanager
async def following(source: Source, every_s: float, stop: asyncio.Event) -> AsyncGenerator[Lookup]:
    """Yield the entities, and read them again whenever they change.

    Raises `Unavailable` if they cannot be had at the start. Later a change that cannot be read is
    logged, and what was there before stays; an error that is not expected sets `stop`, and is
    raised at the end.
    """
    try:
        entities = await source.read()
    except Broken as error:
        raise Unavailable(str(error)) from error
    assert entities is not None
    _tell("entities loaded", entities)
    lookup = Lookup(entities)
    task = asyncio.create_task(_follow(lookup, source, every_s))
    task.add_done_callback(lambda _done: stop.set())
    try:
        yield lookup
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _follow(lookup: Lookup, source: Source, every_s: float) -> None:
    last_reason = ""
    while True:
        await asyncio.sleep(every_s)
        try:
            entities = await source.read()
        except (Broken, Unavailable) as error:
            if str(error) != last_reason:
                kept = lookup.entities.version
                _log.error("entities not reloaded", reason=str(error), kept_version=kept)
            last_reason = str(error)
            continue
        if entities is not None:
            lookup.entities = entities
            _tell("entities reloaded", entities)
            last_reason = ""


async def _make_table(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
        await connection.execute(_TABLE)


def _tell(event: str, entities: Entities) -> None:
    _log.info(event, version=entities.version, count=len(entities.entities))
