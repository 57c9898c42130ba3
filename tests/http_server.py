"""A server of a test's own, with the guard's limits, and raw bytes to it."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from libs import http
from libs.http import Application, Receive, Scope, Send
from libs.http_guard import Limits

# A deadline is seen within this, on a busy machine.
SEEN_LIMIT_S = 8.0
QUICK = Limits(head_timeout_s=0.5, body_timeout_s=0.5, idle_timeout_s=0.3, write_timeout_s=0.5)
HOST = b"Host: door\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
POST = b"POST / HTTP/1.1\r\n" + HOST


@dataclass
class Server:
    """A server whose application says what it read, and waits for `go` first."""

    port: int = 0
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    scopes: list[Scope] = field(default_factory=list[Scope])
    bodies: list[bytes] = field(default_factory=list[bytes])
    answer_bytes: int = 2

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        await self.go.wait()
        self.bodies.append(body)
        answer = b"x" * self.answer_bytes
        length = (b"content-length", b"%d" % len(answer))
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": answer})

    @asynccontextmanager
    async def connected(self) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Hold a connection open."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def talk(self, *sent: bytes, pause_s: float = 0.0) -> bytes:
        """Send, and read until the server closes the connection."""
        async with self.connected() as (reader, writer):
            for part in sent:
                writer.write(part)
                await asyncio.sleep(pause_s)
            return await asyncio.wait_for(reader.read(), SEEN_LIMIT_S)


@asynccontextmanager
async def serving(
    limits: Limits = QUICK, app: Application | None = None, *, notice_s: float = 0.0
) -> AsyncGenerator[Server]:
    server = Server(port=_free_port())
    server.go.set()
    task = asyncio.create_task(
        http.serve(
            app or server.app, "127.0.0.1", server.port, server.stop, limits, notice_s=notice_s
        )
    )
    try:
        async with asyncio.timeout(SEEN_LIMIT_S):
            while not await _answers(server):  # noqa: ASYNC110  (nobody tells us)
                await asyncio.sleep(0.01)
        yield server
    finally:
        server.stop.set()
        async with asyncio.timeout(SEEN_LIMIT_S):
            await task


async def _answers(server: Server) -> bool:
    try:
        async with server.connected():
            return True
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def statuses(answers: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)]
