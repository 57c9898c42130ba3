"""A door of a few lines, for what sends requests."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

ACCEPTED = b'HTTP/1.1 202 Accepted\r\nContent-Length: 18\r\n\r\n{"trace_id": "ab"}'
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy"


@asynccontextmanager
async def door(answer: Callable[[int], bytes]) -> AsyncGenerator[tuple[str, list[bytes]]]:
    """Serve, and keep the bodies; `answer` gets the number of the request."""
    got: list[bytes] = []
    opened: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"Content-Length: (\d+)", head)
                got.append(await reader.readexactly(int(length[1]) if length else 0))
                writer.write(answer(len(got)))

    server = await asyncio.start_server(serve, "127.0.0.1")
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", got
        for writer in opened:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
