"""The limits of the HTTP server, at a real socket."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from libs import http_guard
from libs.http import Receive, Scope, Send
from tests.http_server import GET, HOST, POST, QUICK, SEEN_LIMIT_S, serving, statuses


@pytest.fixture(autouse=True)
def sweeping_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_guard, "SWEEP_S", 0.05)


def parameters(function: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(function).parameters)


def test_what_the_guard_holds_on_to_in_uvicorn_is_still_there() -> None:
    """Look through the guard at each raise of uvicorn's version, then change the number here."""
    assert uvicorn.__version__ == "0.54.0"
    for name, taken in {
        "__init__": ["self", "config", "server_state", "app_state", "_loop"],
        "data_received": ["self", "data"],
        "on_message_begin": ["self"],
        "on_url": ["self", "url"],
        "on_header": ["self", "name", "value"],
        "on_headers_complete": ["self"],
        "on_body": ["self", "body"],
        "on_message_complete": ["self"],
        "on_response_complete": ["self"],
        "pause_writing": ["self"],
        "resume_writing": ["self"],
        "shutdown": ["self"],
        "_unset_keepalive_if_required": ["self"],
    }.items():
        assert parameters(getattr(HttpToolsProtocol, name)) == taken, f"{name} has moved"
    source = inspect.getsource(httptools_impl)
    for text in (
        "app = self.app\n",
        "self.connections = server_state.connections",
        "self.pipeline: deque",
        "self.cycle = RequestResponseCycle(",
        'self.scope = {  # type: ignore[typeddict-item]\n            "type": "http"',
    ):
        assert text in source, f"uvicorn no longer has {text!r}"
    cycle = inspect.getsource(RequestResponseCycle.__init__)
    for text in (
        "transport",
        "keep_alive",
        "disconnected",
        "response_started",
        "response_complete",
    ):
        assert f"self.{text} = " in cycle, f"a request cycle has no {text}"


async def test_a_silent_connection_is_closed() -> None:
    async with serving() as server:
        assert await server.talk() == b""


@pytest.mark.parametrize(
    ("sent", "waited_for"),
    [
        ([b"GET / HTT"], "head"),
        ([b"GET / HTTP/1.1\r\n", *[b"A: b\r\n"] * 20], "head"),
        ([POST + b"Content-Length: 100\r\n\r\n", *[b"x"] * 20], "body"),
        ([POST + b"Transfer-Encoding: chunked\r\n\r\n", *[b"1\r\nx\r\n"] * 20], "body"),
    ],
)
async def test_a_request_that_comes_too_slowly_is_408(sent: list[bytes], waited_for: str) -> None:
    async with serving() as server:
        answer = await server.talk(*sent, pause_s=0.1)

        assert server.bodies == []
    assert statuses(answer) == [408]
    assert (
        f"the rest of a {waited_for} did not come"
        in json.loads(answer.split(b"\r\n\r\n")[1])["error"]
    )


@pytest.mark.parametrize("drip", [b"", b"\r\n"])
async def test_an_idle_connection_is_closed_whatever_empty_lines_come(drip: bytes) -> None:
    async with serving() as server, server.connected() as (reader, writer):
        writer.write(GET)
        await reader.readuntil(b"xx")
        end = asyncio.create_task(reader.read())
        async with asyncio.timeout(SEEN_LIMIT_S):
            while not end.done():
                writer.write(drip)
                await asyncio.sleep(0.1)

        assert await end == b""


async def test_a_request_that_is_worked_on_has_no_deadline_of_the_server() -> None:
    async with serving() as server:
        server.go.clear()
        asking = asyncio.create_task(
            server.talk(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        )
        await asyncio.sleep(1.5)
        server.go.set()

        assert statuses(await asking) == [200]


async def test_a_client_that_does_not_read_its_answers_is_cut_off() -> None:
    async with serving() as server, server.connected() as (reader, writer):
        server.answer_bytes = 20_000_000
        writer.write(GET)
        await asyncio.sleep(1.5)

        got = 0
        with suppress(ConnectionResetError):
            async with asyncio.timeout(SEEN_LIMIT_S):
                while part := await reader.read(100_000):
                    got += len(part)
        assert got < 20_000_000


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"A: " + b"x" * 65_536 + b"\r\n", 431),
        (b"A: " + b"x" * 1_048_576 + b"\r\n", 431),
        (b"A: " + b"x" * 8_388_608, 431),
        (b"A: b\r\n" * 50_000, 431),
        (b"A: b\r\n" * 98, 200),
        (b"A: " + b"x" * 30_000 + b"\r\n", 200),
    ],
)
async def test_a_head_that_is_too_large_is_431(head: bytes, status: int) -> None:
    async with serving() as server:
        answer = await server.talk(b"GET / HTTP/1.1\r\n" + HOST + head + b"\r\n")

        assert len(server.scopes) == (status == 200)
    assert statuses(answer) == [status]


@pytest.mark.parametrize("piece_bytes", [1_400, 16_384, 65_536])
@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"A: " + b"x" * 30_000 + b"\r\n", 200),
        (b"".join(b"A: %s\r\n" % (b"x" * 320) for _ in range(95)), 200),
        (b"A: " + b"x" * 33_000 + b"\r\n", 431),
        (b"".join(b"A: %s\r\n" % (b"x" * 345) for _ in range(95)), 431),
    ],
)
async def test_the_limit_of_a_head_is_the_same_however_it_is_cut(
    head: bytes, status: int, piece_bytes: int
) -> None:
    sent = b"GET / HTTP/1.1\r\n" + HOST + head + b"\r\n"
    pieces = [sent[at : at + piece_bytes] for at in range(0, len(sent), piece_bytes)]
    async with serving(replace(QUICK, head_timeout_s=5.0)) as server:
        answer = await server.talk(*pieces, pause_s=0.005)

    assert statuses(answer) == [status]


async def test_the_path_is_part_of_the_head() -> None:
    path, rest = b"x" * 8_000, b"A: " + b"x" * 26_000 + b"\r\n"
    async with serving() as server:
        answer = await server.talk(b"GET /" + path + b" HTTP/1.1\r\n" + HOST + rest + b"\r\n")

    assert statuses(answer) == [431]


async def test_a_path_that_is_too_long_is_414() -> None:
    async with serving() as server:
        answer = await server.talk(b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n")

    assert statuses(answer) == [414]


CHUNKED = b"Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        POST + b"Content-Length: 2\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
        POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        POST + b"Content-Length: -1\r\n\r\n",
        POST + b"Content-Length: +2\r\n\r\nab",
        POST + b"Content-Length: 18446744073709551616\r\n\r\n",
        POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\nHost: door\n\n",
        POST + b"Content-Length : 2\r\n\r\nab",
        POST + b"A: b\r\n folded\r\n\r\n",
        POST + b"A: \0\r\n\r\n",
        b"GET / HTTP/9.9\r\n" + HOST + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64,
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        POST + CHUNKED + b"\r\nzz\r\n",
    ],
)
async def test_what_is_not_http_as_it_must_be_written_is_400(request_: bytes) -> None:
    async with serving() as server:
        answer = await server.talk(request_)

        assert server.bodies == []
    assert statuses(answer) == [400]


async def test_extensions_of_chunks_are_counted() -> None:
    limits = replace(QUICK, framing_bytes_max=20_000)
    parts = [b"1;" + b"e" * 10_000 + b"\r\nx\r\n"] * 10
    async with serving(limits) as server:
        answer = await server.talk(POST + CHUNKED + b"\r\n", *parts, pause_s=0.02)

        assert server.bodies == []
    assert statuses(answer) == [400]


async def test_trailers_do_not_become_headers() -> None:
    async with serving() as server:
        sent = POST + CHUNKED + b"\r\n1\r\nx\r\n0\r\nApi-Key: secret\r\n\r\n"
        assert statuses(await server.talk(sent)) == [200]

        assert server.bodies == [b"x"]
        assert [name for name, _ in server.scopes[0]["headers"]] == [b"host", b"transfer-encoding"]


async def test_a_large_body_is_no_large_head_for_what_follows_it_in_the_pipe() -> None:
    body = b"x" * 200_000
    post = POST + b"Content-Length: 200000\r\n\r\n" + body
    async with serving() as server:
        answer = await server.talk(post * 3, GET[:20], GET[20:], pause_s=0.05)

    assert statuses(answer) == [200] * 4


async def test_a_thousand_requests_in_one_pipe_are_answered_in_order() -> None:
    async with serving() as server:
        posts = [POST + b"Content-Length: 4\r\n\r\n%04d" % number for number in range(1_000)]
        answer = await server.talk(b"".join(posts))

        assert server.bodies == [b"%04d" % number for number in range(1_000)]
    assert statuses(answer) == [200] * 1_000


async def test_a_connection_ends_after_its_last_request() -> None:
    async with serving(replace(QUICK, connection_requests_max=3)) as server:
        answer = await server.talk(GET, GET, GET, GET, pause_s=0.05)

    assert statuses(answer) == [200] * 3
    assert answer.count(b"connection: close") == 1


async def test_a_broken_request_behind_one_that_is_worked_on_does_not_answer_for_it() -> None:
    """A 4xx says that nothing was kept, and here something may be."""
    async with serving() as server:
        server.go.clear()
        answer = await server.talk(GET + b"broken\r\n\r\n")
        server.go.set()

    assert answer == b""


async def test_no_header_names_the_server() -> None:
    async with serving() as server:
        answer = await server.talk(GET)

    assert b"server:" not in answer.lower()


async def test_who_asks_is_not_taken_from_a_header() -> None:
    async with serving() as server:
        await server.talk(GET.replace(b"\r\n\r\n", b"\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n"))

        assert server.scopes[0]["client"][0] == "127.0.0.1"


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer without a look at the body."""
    headers = [(b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def test_a_client_that_is_refused_while_it_sends_gets_to_see_it_and_then_the_end() -> None:
    limits = replace(QUICK, body_timeout_s=60.0)
    async with serving(limits, refuse) as server:
        head = POST + b"Connection: close\r\nContent-Length: 5000000\r\n\r\n"
        answer = await server.talk(head, *[b"x" * 100_000] * 50)

    assert statuses(answer) == [413]


async def test_of_a_body_that_was_refused_only_so_much_is_read() -> None:
    limits = replace(QUICK, body_timeout_s=60.0, discarded_bytes_max=500_000)
    async with serving(limits, refuse) as server, server.connected() as (reader, writer):
        writer.write(POST + b"Content-Length: 100000000\r\n\r\n")
        answer = await reader.readuntil(b"\r\n\r\n")
        sent = 0
        with suppress(ConnectionError):
            async with asyncio.timeout(SEEN_LIMIT_S):
                while sent < 50_000_000:
                    writer.write(b"x" * 100_000)
                    await writer.drain()
                    sent += 100_000

    assert statuses(answer) == [413]
    assert sent < 50_000_000
