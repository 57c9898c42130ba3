"""HTTP connections to the door, kept open; each carries one request at a time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import httptools

from libs.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Answer:
    """What the door said."""

    status: int
    body: bytes


class Client:
    """A pool of connections to one address; more are opened as requests need them."""

    def __init__(self, url: str, path: str, headers: dict[str, str]) -> None:
        address = urlsplit(url)
        assert address.hostname is not None
        self._host, self._port = address.hostname, address.port or 80
        lines = {"Host": address.netloc, **headers}
        written = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._head = f"POST {path} HTTP/1.1\r\n{written}Content-Length: ".encode()
        self._idle: list[_Connection] = []

    async def post(self, body: bytes, timeout_s: float, ordering_key: str = "") -> Answer:
        """Send one request. Raises `Unavailable` if there is no whole answer: nobody knows then."""
        head = self._head + b"%d\r\n" % len(body)
        if ordering_key:
            head += b"Ordering-Key: %s\r\n" % ordering_key.encode()
        connection: _Connection | None = None
        try:
            async with asyncio.timeout(timeout_s):
                connection = self._take() or await self._open()
                answer = await connection.ask(head + b"\r\n" + body)
        except (OSError, TimeoutError, httptools.HttpParserError) as error:
            raise Unavailable(f"no answer: {error!r}") from error
        else:
            if connection.is_open:
                self._idle.append(connection)
                connection = None
            return answer
        finally:
            # Also on cancellation: a connection that may still get an answer is not used again.
            if connection is not None:
                connection.close()

    def close(self) -> None:
        """Close the connections that no request is using."""
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        return None

    async def _open(self) -> _Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, self._host, self._port)
        return connection


class _Connection(asyncio.Protocol):
    """The httptools parser calls the methods that begin with `on_`."""

    def __init__(self) -> None:
        self.is_open = False
        self._answered: asyncio.Future[Answer] | None = None
        self._body = bytearray()

    async def ask(self, request: bytes) -> Answer:
        self._answered = asyncio.get_running_loop().create_future()
        self._body.clear()
        self._parser = httptools.HttpResponseParser(self)
        if not self.is_open:
            raise ConnectionResetError("the server closed the connection")
        self._transport.write(request)
        return await self._answered

    def close(self) -> None:
        self.is_open = False
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio's classes.
        self._transport = cast(asyncio.Transport, transport)
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        if self._answered is None or self._answered.done():
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self._fail(exc or ConnectionResetError("the server closed the connection"))

    def on_body(self, part: bytes) -> None:
        self._body += part

    def on_message_complete(self) -> None:
        self.is_open = self.is_open and self._parser.should_keep_alive()
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(Answer(self._parser.get_status_code(), bytes(self._body)))

    def _fail(self, error: Exception) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(error)
