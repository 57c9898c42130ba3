"""A TCP proxy that fails on purpose: late, slow, deaf in one direction or both, cut, forgetful.

It lives in a thread of its own, so that a test can change it while stages talk through it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal, Protocol

Direction = Literal["to_server", "to_client"]

HOST = "127.0.0.1"
_CHUNK_BYTES = 65_536
_LOOK_AGAIN_S = 0.02
_START_LIMIT_S = 10.0
_STOP_LIMIT_S = 10.0
# Closing with this sends a reset, as a machine does that has forgotten the connection.
_RESET = struct.pack("ii", 1, 0)


class Wish(Protocol):
    """Looks at what passes; one for all connections, `link` tells them apart."""

    def see(self, link: int, direction: Direction, data: bytes) -> bool:
        """Look at what is about to pass; says whether the link is cut instead."""
        ...


@dataclass(slots=True)
class Weather:
    """How the network is; each of these may be changed at any time."""

    latency_s: float = 0.0
    bytes_per_s: float = 0.0
    # Nothing passes there; it waits, as what is sent again and again does.
    deaf: set[Direction] = field(default_factory=set[Direction])
    wish: Wish | None = None


class Proxy:
    """Listens on one port of this machine and passes everything on to another."""

    def __init__(self, listen_port: int, server_port: int, *, has_frames: bool = False) -> None:
        self.weather = Weather()
        self.connections = 0
        self.passed_bytes = 0
        # How often a piece of data had to wait because a direction was deaf.
        self.held = 0
        self._listen_port = listen_port
        self._server_port = server_port
        self._split = _frames if has_frames else _pieces
        self._open: dict[int, tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = {}
        self._loop = asyncio.new_event_loop()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._listen_port

    @contextmanager
    def listening(self) -> Iterator[Proxy]:
        """Serve until the block ends."""
        is_up = threading.Event()
        stop = asyncio.Event()
        thread = threading.Thread(
            target=lambda: self._loop.run_until_complete(self._run(is_up, stop))
        )
        thread.start()
        assert is_up.wait(_START_LIMIT_S), "the proxy does not start"
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(stop.set)
            thread.join()
            self._loop.close()

    @contextmanager
    def deaf(self, *directions: Direction) -> Iterator[None]:
        """Let nothing pass in these directions until the block ends."""
        self.weather.deaf = set(directions)
        try:
            yield
        finally:
            self.weather.deaf = set()

    def cut(self) -> int:
        """Reset every connection; returns how many there were."""
        count = len(self._open)
        self._loop.call_soon_threadsafe(self._cut_all)
        return count

    async def _run(self, is_up: threading.Event, stop: asyncio.Event) -> None:
        server = await asyncio.start_server(self._accept, HOST, self._listen_port)
        self._listen_port = server.sockets[0].getsockname()[1]
        is_up.set()
        await stop.wait()
        server.close()
        # What waits in bad weather must see that its connection is cut.
        self.weather = Weather()
        self._cut_all()
        if links := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(links, timeout=_STOP_LIMIT_S)

    async def _accept(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            answers, server = await asyncio.open_connection(HOST, self._server_port)
        except OSError:
            _reset(client)
            return
        self.connections += 1
        link = self.connections
        self._open[link] = client, server
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pump(link, "to_server", reader, server))
            tasks.create_task(self._pump(link, "to_client", answers, client))

    async def _pump(
        self,
        link: int,
        direction: Direction,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            async for data in self._split(reader):
                await self._delay(direction, len(data))
                wish = self.weather.wish
                if wish is not None and wish.see(link, direction, data):
                    break
                self.passed_bytes += len(data)
                writer.write(data)
                await writer.drain()
        # One direction that has ended ends the other.
        self._cut(link)

    async def _delay(self, direction: Direction, size_bytes: int) -> None:
        if direction in self.weather.deaf:
            self.held += 1
        # It is changed by another thread, so there is no event to wait for.
        while direction in self.weather.deaf:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_AGAIN_S)
        wait_s = self.weather.latency_s
        if self.weather.bytes_per_s:
            wait_s += size_bytes / self.weather.bytes_per_s
        if wait_s:
            await asyncio.sleep(wait_s)

    def _cut_all(self) -> None:
        for link in list(self._open):
            self._cut(link)

    def _cut(self, link: int) -> None:
        for writer in self._open.pop(link, ()):
            _reset(writer)


class LostAnswer:
    """Lets a request through to the server, swallows the answer and cuts; or cuts before.

    `begins` says whether this is such a request; it is then due each `every` times.
    """

    def __init__(
        self, begins: Callable[[bytes], bool], *, every: int, is_before: bool = False
    ) -> None:
        self.happened = 0
        self._begins = begins
        self._every = every
        self._is_before = is_before
        self._seen = 0
        # Links that wait for the answer that they will not get, and a sign to know it by.
        self._waiting: dict[int, bytes] = {}

    def see(self, link: int, direction: Direction, data: bytes) -> bool:
        """Look at what is about to pass; says whether the link is cut instead."""
        if direction == "to_client":
            return self._see_answer(link, data)
        if link in self._waiting or not self._begins(data):
            return False
        self._seen += 1
        if self._seen % self._every:
            return False
        if self._is_before:
            self.happened += 1
            return True
        self._waiting[link] = self.sign(data)
        return False

    def sign(self, _request: bytes) -> bytes:
        """How the answer to a request begins; empty if the next one is it."""
        return b""

    def _see_answer(self, link: int, data: bytes) -> bool:
        sign = self._waiting.get(link)
        if sign is None or not data.startswith(sign):
            return False
        del self._waiting[link]
        self.happened += 1
        return True


class LostCommit(LostAnswer):
    """Loses the answer to a COMMIT of PostgreSQL, or the COMMIT itself."""

    def __init__(self, *, every: int, is_before: bool = False) -> None:
        super().__init__(lambda data: b"COMMIT;" in data, every=every, is_before=is_before)


class LostKafkaAnswer(LostAnswer):
    """Loses the answer to a request of Kafka, by its API key; for a proxy that has frames."""

    PRODUCE, OFFSET_COMMIT = 0, 8

    def __init__(self, api_key: int, *, every: int) -> None:
        sign = struct.pack(">h", api_key)
        super().__init__(lambda frame: frame[4:6] == sign, every=every)

    def see(self, link: int, direction: Direction, data: bytes) -> bool:
        """Look at a frame; of an answer its size is left away, so that its id comes first."""
        return super().see(link, direction, data if direction == "to_server" else data[4:])

    def sign(self, _request: bytes) -> bytes:
        """The correlation id, which answers carry first."""
        return _request[8:12]


async def _pieces(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while data := await reader.read(_CHUNK_BYTES):
        yield data


async def _frames(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Whole requests or answers of Kafka: four bytes of size, then so many."""
    while True:
        size = await reader.readexactly(4)
        yield size + await reader.readexactly(int.from_bytes(size))


def _reset(writer: asyncio.StreamWriter) -> None:
    if (opened := writer.get_extra_info("socket")) is not None:
        with suppress(OSError):
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.close()
