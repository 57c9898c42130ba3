"""Stages that are waited for."""

from __future__ import annotations

from bench.stack import fleet
from tests.unit.bench.load.doors import BUSY, door


async def test_a_door_that_is_not_ready_yet_is_waited_for() -> None:
    ready = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

    async with door(lambda number: ready if number > 2 else BUSY) as (url, got):
        await fleet.until_open(url)
    assert len(got) == 3
