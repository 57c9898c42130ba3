"""The open loop of a bench: requests go out at their time, and each of them is told."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

from bench.load.door import ACCEPTED
from bench.load.open_loop import UNANSWERED, Answered, Pace, beats, offer
from libs.clock import now_us
from tests.unit.bench.load.doors import ACCEPTED as YES, BUSY, door
from tools.load.client import Client

PACE = Pace(requests_per_s=100, duration_s=0.1)


async def offered(pace: Pace, answer: Callable[[int], bytes]) -> tuple[list[Answered], list[bytes]]:
    told: list[Answered] = []
    async with door(answer) as (url, got):
        client = Client(url, "/v1/events", {})
        await offer(client, lambda number, _due: str(number).encode(), pace, told.append)
        client.close()
    return told, got


async def test_every_request_of_the_pace_is_sent_once_and_told() -> None:
    told, got = await offered(PACE, lambda _number: YES)

    assert sorted(got, key=int) == [str(number).encode() for number in range(10)]
    assert [one.status for one in told] == [ACCEPTED] * 10
    assert {one.trace_id for one in told} == {"ab"}


async def test_requests_are_due_at_an_even_pace_and_none_is_sent_before() -> None:
    began_us = now_us()
    told, _ = await offered(PACE, lambda _number: YES)

    due_us = sorted(one.due_us for one in told)
    assert {later - earlier for earlier, later in itertools.pairwise(due_us)} == {10_000}
    assert all(began_us <= one.due_us <= one.answered_us for one in told)


async def test_what_is_refused_is_told_with_its_status_and_not_sent_again() -> None:
    told, got = await offered(PACE, lambda number: YES if number % 2 else BUSY)

    assert len(got) == 10
    assert sorted(one.status for one in told) == [ACCEPTED] * 5 + [503] * 5


async def test_a_request_without_an_answer_is_told_too() -> None:
    told, _ = await offered(Pace(1, 1), lambda _number: b"nonsense\r\n\r\n")

    assert [one.status for one in told] == [UNANSWERED]


async def test_a_slow_answer_does_not_hold_back_the_next_request() -> None:
    # A closed loop would wait for the first answer for ever.
    second_came = asyncio.Event()
    came = itertools.count(1)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if next(came) == 2:
            second_came.set()
        await second_came.wait()
        writer.write(YES)
        # Until the client closes.
        await reader.read()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1") as server, asyncio.timeout(5):
        client = Client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", "/", {})
        await offer(client, lambda _number, _due: b"", Pace(100, 0.02), lambda _one: None)
        client.close()
        await asyncio.sleep(0.05)

    assert next(came) == 3


async def test_what_is_due_stays_so_however_long_the_sending_takes() -> None:
    due_us: list[int] = []
    async for number, at_us in beats(Pace(requests_per_s=2_000, duration_s=0.1)):
        assert now_us() >= at_us
        assert number == len(due_us)
        due_us.append(at_us)
        if number == 0:
            await asyncio.sleep(0.02)

    assert [at_us - due_us[0] for at_us in due_us] == [500 * number for number in range(200)]


def test_there_is_at_least_one_request() -> None:
    assert Pace(requests_per_s=0.1, duration_s=1).requests == 1
    assert Pace(requests_per_s=100, duration_s=2).requests == 200
