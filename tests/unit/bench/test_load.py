"""The requests of a bench, and the loop that sends them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

import msgspec
import pytest

from bench import load as loads
from bench.load import Load
from tools.errors import OperatorError

ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy"


@asynccontextmanager
async def door(answer: Callable[[int], bytes]) -> AsyncGenerator[tuple[str, list[bytes]]]:
    """A door of a few lines that keeps the bodies; `answer` gets the number of the request."""
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


def ids(bodies: object) -> list[str]:
    return [event["event_id"] for body in bodies for event in msgspec.json.decode(body)]  # type: ignore[attr-defined]


def test_every_event_of_a_load_has_an_id_of_its_own() -> None:
    load = loads.written(events=200, batch=10)

    assert load.events == 200
    assert len(load.bodies) == 20
    assert len(set(ids(load.bodies))) == 200


async def test_each_request_is_sent_once() -> None:
    load = loads.written(events=100, batch=10)
    shown: list[int] = []

    async with door(lambda _number: ACCEPTED) as (url, got):
        await loads.send(load, url, "a-key", 3, shown.append)
    assert sorted(got) == sorted(load.bodies)
    assert shown == list(range(10, 101, 10))


async def test_a_request_that_is_not_accepted_ends_it() -> None:
    async with door(lambda number: ACCEPTED if number < 3 else BUSY) as (url, _):
        with pytest.raises(OperatorError, match="503: busy"):
            await loads.send(Load([b"[]"] * 50, 1), url, "a-key", 2, lambda _events: None)


async def test_a_door_that_is_not_ready_yet_is_waited_for() -> None:
    ready = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

    async with door(lambda number: ready if number > 2 else BUSY) as (url, got):
        await loads.until_open(url)
    assert len(got) == 3
