"""The requests of a bench, and the loop that sends them."""

from __future__ import annotations

import msgspec
import pytest

from bench.load import closed_loop as loads
from bench.load.closed_loop import Load
from tests.unit.bench.load.doors import ACCEPTED, BUSY, door
from tools.errors import OperatorError


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
