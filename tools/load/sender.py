"""Sends a plan in open loop: each request at its own time, however slow the answers are."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import msgspec
from hdrh.histogram import HdrHistogram

from libs.errors import Unavailable
from tools.load.client import Answer, Client
from tools.load.plan import Plan

# Past these the sender waits; what is sent late counts as late, from the time it was due.
_IN_FLIGHT_REQUESTS_MAX = 2_000
_IN_FLIGHT_EVENTS_MAX = 200_000
_ANSWER_TIMEOUT_S = 15.0
_BACK_OFF_MIN_S = 0.05
_BACK_OFF_MAX_S = 1.0
_ACCEPTED = 202
# Nothing was kept, and the same request may be accepted later; 408 is a body that came too slowly.
_TRY_AGAIN = frozenset({408, 429})
_SERVER_ERROR_MIN = 500
_HIGHEST_US = 600_000_000


def histogram() -> HdrHistogram:
    """Make a histogram of µs, from 1 µs to 10 minutes, to three digits."""
    return HdrHistogram(1, _HIGHEST_US, 3)


def note(times_us: HdrHistogram, duration_us: int) -> None:
    """Count a duration; one past either end counts as that end, so that none drops out."""
    times_us.record_value(min(max(duration_us, 1), _HIGHEST_US))


@dataclass(slots=True)
class Outcome:
    """What became of the requests; `accepted` and `unknown` hold their places in the plan."""

    accepted: list[int] = field(default_factory=list[int])
    unknown: list[int] = field(default_factory=list[int])
    refused: Counter[int] = field(default_factory=Counter[int])
    refusal: str = ""
    sampled: set[str] = field(default_factory=set[str])
    sent: int = 0
    sent_again: int = 0
    # From the time a request was due to its last answer.
    answer_us: HdrHistogram = field(default_factory=histogram)

    @property
    def answered(self) -> int:
        """How many requests are done with."""
        return len(self.accepted) + len(self.unknown) + sum(self.refused.values())


class Sender:
    """Sends one plan, once."""

    def __init__(self, client: Client, plan: Plan, retry_for_s: float) -> None:
        self._client = client
        self._plan = plan
        self._retry_for_s = retry_for_s
        self._room = asyncio.Semaphore(
            max(1, min(_IN_FLIGHT_REQUESTS_MAX, _IN_FLIGHT_EVENTS_MAX // plan.batch))
        )
        self.outcome = Outcome()

    async def run(self, stop: asyncio.Event) -> None:
        """Send until the plan ends or `stop` is set, then wait for what is on its way."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for request in range(self._plan.requests):
                due = began + self._plan.due_s(request)
                await _wait(stop, due - time.monotonic())
                await self._room.acquire()
                if stop.is_set():
                    return
                tasks.create_task(self._deliver(request, due))

    async def _deliver(self, request: int, due: float) -> None:
        try:
            await self._ask_until_known(request, due)
        finally:
            self._room.release()

    async def _ask_until_known(self, request: int, due: float) -> None:
        body = self._plan.body(request)
        self.outcome.sent += 1
        give_up = time.monotonic() + self._retry_for_s
        back_off_s = _BACK_OFF_MIN_S
        while True:
            try:
                answer = await self._client.post(body, _ANSWER_TIMEOUT_S)
                if not _may_be_tried_again(answer.status):
                    self._note(request, due, answer)
                    return
            except Unavailable:
                # The same ids are sent again, so an answer that was lost makes no second event.
                pass
            if time.monotonic() + back_off_s > give_up:
                self.outcome.unknown.append(request)
                return
            await asyncio.sleep(back_off_s)
            back_off_s = min(2 * back_off_s, _BACK_OFF_MAX_S)
            self.outcome.sent_again += 1

    def _note(self, request: int, due: float, answer: Answer) -> None:
        if answer.status != _ACCEPTED:
            self.outcome.refused[answer.status] += 1
            self.outcome.refusal = self.outcome.refusal or answer.body.decode(errors="replace")
            return
        note(self.outcome.answer_us, int((time.monotonic() - due) * 1e6))
        self.outcome.accepted.append(request)
        said: dict[str, Any] = msgspec.json.decode(answer.body)
        if said["sampled"]:
            self.outcome.sampled.add(said["trace_id"])


def _may_be_tried_again(status: int) -> bool:
    return status in _TRY_AGAIN or status >= _SERVER_ERROR_MIN


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    if seconds <= 0:
        # Let the answers in, also when the plan is behind.
        await asyncio.sleep(0)
        return
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
