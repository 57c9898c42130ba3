"""The requests of a bench, and the loop that sends them."""

from __future__ import annotations

import msgspec
import pytest

from bench.load import closed_loop
from bench.load.closed_loop import Load
from tests.unit.bench.load.doors import ACCEPTED, BUSY, door
from tools.errors import OperatorError
from tools.load.client import Client


def ids(bodies: object) -> list[str]:
    return [event["event_id"] for body in bodies for event in msgspec.json.decode(body)]  # type: ignore[attr-defined]


def test_every_event_of_a_load_has_an_id_of_its_own() -> None:
    load = closed_loop.written(events=200, batch=10)

    assert load.events == 200
    assert len(load.bodies) == 20
    assert len(set(ids(load.bodies))) == 200


async def test_each_request_is_sent_once() -> None:
    load = closed_loop.written(events=100, batch=10)
    shown: list[str] = []

    async with door(lambda _number: ACCEPTED) as (url, got):
        await closed_loop.send(load, Client(url, "/", {}), shown.append, 3)
    assert sorted(got) == sorted(load.bodies)
    assert shown == [f"{number} of 100 events accepted" for number in range(10, 101, 10)]


async def test_a_request_that_is_not_accepted_ends_it() -> None:
    load = Load([b"[]"] * 50, 1)

    async with door(lambda number: ACCEPTED if number < 3 else BUSY) as (url, _):
        with pytest.raises(OperatorError, match="503: busy"):
            await closed_loop.send(load, Client(url, "/", {}), lambda _said: None, 2)
