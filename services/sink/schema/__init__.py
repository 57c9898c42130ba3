"""The store's schema as numbered files, applied in order, each once."""

from __future__ import annotations

from importlib.resources import files

import asyncpg

# Any fixed number: replicas that start together apply the schema one after the other.
_LOCK = 7_400


async def apply(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Apply the files not yet applied; safe to call from several replicas at once."""
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
        await connection.execute(
            "create table if not exists schema_version"
            " (name text primary key, applied_at timestamptz not null default now())"
        )
        applied = {row["name"] for row in await connection.fetch("select name from schema_version")}
        numbered = (file for file in files(__name__).iterdir() if file.name.endswith(".sql"))
        for file in sorted(numbered, key=lambda file: file.name):
            if file.name not in applied:
                await connection.execute(file.read_text())
                await connection.execute("insert into schema_version values ($1)", file.name)
