"""A question that only tells whether PostgreSQL answers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg

from libs.errors import Unavailable

_AWAY = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    # A connection that the server has said goodbye to, and that is not yet closed.
    asyncpg.InternalClientError,
    OSError,
)


@asynccontextmanager
async def probing(url: str, application_name: str) -> AsyncGenerator[Callable[[], Awaitable[None]]]:
    """Yield a question, on a connection of its own; it raises `Unavailable`."""
    connection: asyncpg.Connection[asyncpg.Record] | None = None

    def drop() -> None:
        nonlocal connection
        if connection is not None:
            connection.terminate()
        connection = None

    async def ask() -> None:
        nonlocal connection
        try:
            if connection is None:
                settings = {"application_name": f"{application_name}-probe"}
                connection = await asyncpg.connect(url, server_settings=settings)
            await connection.execute("select 1")
        except _AWAY as error:
            drop()
            raise Unavailable(f"{type(error).__name__}: {error}") from error
        except BaseException:
            # Cancelled, mostly because it took too long: what it waits for may never come.
            drop()
            raise

    try:
        yield ask
    finally:
        drop()
