"""Open loop: every request is sent at its own time, however slow the answers are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

import msgspec

from bench.load.door import ACCEPTED, ANSWER_TIMEOUT_S
from libs.clock import now_us
from libs.errors import Unavailable
from tools.load.client import Answer, Client

# More connections than the door takes; what finds none free is sent late and counts as late.
_IN_FLIGHT_MAX = 2_000
# Of a request that got no whole answer: nobody knows what became of it.
UNANSWERED = 0

# Gives the body of a request by its number and by when it is due (µs since the epoch).
Body = Callable[[int, int], bytes]


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that is done with; times are µs since the epoch, `due_us` when it was meant."""

    due_us: int
    answered_us: int
    status: int
    trace_id: str = ""


@dataclass(frozen=True, slots=True)
class Pace:
    """How many requests a second, and for how long."""

    requests_per_s: float
    duration_s: float

    @property
    def requests(self) -> int:
        """How many requests that are, at least one."""
        return max(1, round(self.requests_per_s * self.duration_s))


class _Said(msgspec.Struct):
    trace_id: str


_decoder = msgspec.json.Decoder(_Said)


async def beats(pace: Pace) -> AsyncGenerator[tuple[int, int]]:
    """Yield each request's number and when it is due (µs since the epoch), at that moment."""
    began_us = now_us()
    for number in range(pace.requests):
        due_us = began_us + round(1e6 * number / pace.requests_per_s)
        # Lets the answers in, also when it is behind.
        await asyncio.sleep(max(due_us - now_us(), 0) / 1e6)
        yield number, due_us


async def offer(client: Client, body: Body, pace: Pace, note: Callable[[Answered], None]) -> None:
    """Send requests at an even pace and wait for all answers; `note` gets each of these.

    None is sent a second time: what is refused stays refused.
    """
    room = asyncio.Semaphore(_IN_FLIGHT_MAX)

    async def ask(body: bytes, due_us: int) -> None:
        try:
            note(_answered(due_us, await client.post(body, ANSWER_TIMEOUT_S)))
        except Unavailable:
            note(Answered(due_us, now_us(), UNANSWERED))
        finally:
            room.release()

    async with asyncio.TaskGroup() as tasks:
        async for number, due_us in beats(pace):
            await room.acquire()
            tasks.create_task(ask(body(number, due_us), due_us))


def _answered(due_us: int, answer: Answer) -> Answered:
    answered_us = now_us()
    if answer.status != ACCEPTED:
        return Answered(due_us, answered_us, answer.status)
    return Answered(due_us, answered_us, answer.status, _decoder.decode(answer.body).trace_id)
