"""The HTTP server with more connections than it takes, and when it is to end."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from libs.http_guard import GuardedProtocol
from tests.http_server import GET, POST, QUICK, SEEN_LIMIT_S, serving, statuses


async def test_past_the_connections_the_answer_is_503_with_a_time_and_health_is_answered() -> None:
    limits = replace(QUICK, connections_max=2, retry_after_s=7, head_timeout_s=5.0)
    async with serving(limits) as server, server.connected(), server.connected():
        refused = await server.talk(POST + b"Content-Length: 1\r\n\r\nx")
        health = await server.talk(GET.replace(b" / ", b" /ready "), pause_s=0.1)

        assert len(server.scopes) == 1
    assert statuses(refused) == [503]
    assert b"retry-after: 7" in refused
    assert statuses(health) == [200]


async def test_those_who_were_there_first_are_served_however_many_come() -> None:
    limits = replace(QUICK, connections_max=1, head_timeout_s=5.0)
    async with serving(limits) as server, server.connected() as (reader, writer):
        assert statuses(await server.talk(GET)) == [503]
        writer.write(GET)
        assert statuses(await reader.readuntil(b"xx")) == [200]


async def test_while_it_drains_each_answer_ends_its_connection() -> None:
    async with serving(notice_s=1.0) as server, server.connected() as (reader, writer):
        server.stop.set()
        await asyncio.sleep(0.1)
        writer.write(GET)
        answers = [await reader.read(), await server.talk(GET)]

    assert [statuses(answer) for answer in answers] == [[200], [200]]
    assert all(b"connection: close" in answer for answer in answers)


async def test_what_is_on_its_way_when_the_drain_begins_is_answered() -> None:
    limits = replace(QUICK, head_timeout_s=5.0, body_timeout_s=5.0)
    async with serving(limits) as server, AsyncExitStack() as held:
        works, comes, idle = [await held.enter_async_context(server.connected()) for _ in range(3)]
        server.go.clear()
        works[1].write(GET)
        comes[1].write(GET[:10])
        await asyncio.sleep(0.2)
        server.stop.set()
        assert await idle[0].read() == b""
        comes[1].write(GET[10:])
        late = await comes[0].read()
        server.go.set()
        worked = await works[0].read()
    assert statuses(worked) == [200]
    assert statuses(late) == [503]
    assert b"retry-after" in late
    for answer in (worked, late):
        assert b"connection: close" in answer


async def test_a_server_whose_time_limits_fail_ends_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_connection: GuardedProtocol, _now_s: float) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(GuardedProtocol, "sweep", fail)
    with pytest.raises(ZeroDivisionError):
        async with serving() as server, server.connected() as (reader, _):
            assert await asyncio.wait_for(reader.read(), SEEN_LIMIT_S) == b""
