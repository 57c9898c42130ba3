"""Sends a plan in open loop: each request at its own time, however slow the answers are."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import msgspec
from hdrh.histogram import HdrHistogram

from libs.clock import now_us
from libs.errors import Unavailable
from tools.load.client import Answer, Client
from tools.load.ledger import Answered, Fate, Ledger
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


@dataclass(slots=True)
class _Tried:
    """One request on its way; `answer` is the last one, `None` if it never was whole."""

    request: int
    due: float
    due_us: int
    sent_us: int
    tries: int = 0
    answer: Answer | None = None
    # Whether something of it may have been kept by a try that was not accepted.
    is_in_doubt: bool = False

    @property
    def fate(self) -> Fate:
        if self.answer is not None and self.answer.status == _ACCEPTED:
            return "acked"
        return "unknown" if self.is_in_doubt else "rejected"


class Sender:
    """Sends one plan, once, and keeps a ledger of it if there is one."""

    def __init__(
        self, client: Client, plan: Plan, retry_for_s: float, ledger: Ledger | None = None
    ) -> None:
        self._client = client
        self._plan = plan
        self._retry_for_s = retry_for_s
        self._ledger = ledger
        self._room = asyncio.Semaphore(
            max(1, min(_IN_FLIGHT_REQUESTS_MAX, _IN_FLIGHT_EVENTS_MAX // plan.batch))
        )
        # Fair, so requests of one key go out in their order, each after the answer to the last.
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
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
                tasks.create_task(self._deliver(request, due, stop))

    async def _deliver(self, request: int, due: float, stop: asyncio.Event) -> None:
        key = self._plan.key(request)
        try:
            if not key:
                await self._send(request, due)
                return
            async with self._turns[key]:
                # What still waits for its turn at the end was never sent.
                if not stop.is_set():
                    await self._send(request, due)
        finally:
            self._room.release()

    async def _send(self, request: int, due: float) -> None:
        sent_us = now_us()
        late_us = int((time.monotonic() - due) * 1e6)
        tried = _Tried(request, due, due_us=sent_us - late_us, sent_us=sent_us)
        self.outcome.sent += 1
        await self._ask_until_known(tried)
        self._note(tried)

    async def _ask_until_known(self, tried: _Tried) -> None:
        body = self._plan.body(tried.request)
        give_up = time.monotonic() + self._retry_for_s
        back_off_s = _BACK_OFF_MIN_S
        while True:
            tried.tries += 1
            try:
                key = self._plan.key(tried.request)
                tried.answer = await self._client.post(body, _ANSWER_TIMEOUT_S, key)
                if not _may_be_tried_again(tried.answer.status):
                    return
                tried.is_in_doubt |= tried.answer.status >= _SERVER_ERROR_MIN
            except Unavailable:
                # The same ids are sent again, so an answer that was lost makes no second event.
                tried.answer, tried.is_in_doubt = None, True
            if time.monotonic() + back_off_s > give_up:
                return
            await asyncio.sleep(back_off_s)
            back_off_s = min(2 * back_off_s, _BACK_OFF_MAX_S)
            self.outcome.sent_again += 1

    def _note(self, tried: _Tried) -> None:
        outcome, answer = self.outcome, tried.answer
        said: dict[str, Any] = {}
        if tried.fate == "unknown":
            outcome.unknown.append(tried.request)
        elif answer is not None and tried.fate == "rejected":
            outcome.refused[answer.status] += 1
            outcome.refusal = outcome.refusal or answer.body.decode(errors="replace")
        elif answer is not None:
            note(outcome.answer_us, int((time.monotonic() - tried.due) * 1e6))
            outcome.accepted.append(tried.request)
            said = msgspec.json.decode(answer.body)
            if said["sampled"]:
                outcome.sampled.add(said["trace_id"])
        if self._ledger is not None:
            answered = Answered(
                due_us=tried.due_us,
                sent_us=tried.sent_us,
                outcome=tried.fate,
                status=answer.status if answer else 0,
                tries=tried.tries,
                trace_id=said.get("trace_id", ""),
                is_sampled=said.get("sampled", False),
            )
            self._ledger.note(tried.request, answered)


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
