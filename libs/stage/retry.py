"""Waiting for a dependency that is away: in place, with back-off, within a budget."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TypeVar

import stamina

from libs.errors import Unavailable

# Longer than an outage that somebody is at work on; past it the stage stops and is restarted.
RETRY_BUDGET_S = 1_800.0
_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 2.0

T = TypeVar("T")


class Deeds:
    """Counts what was handed over or asked for and given: work goes on within one long poll."""

    def __init__(self) -> None:
        self.count = 0


# Those of the process that this task works for; whoever looks at its health sets them.
counted: ContextVar[Deeds | None] = ContextVar("counted", default=None)


async def until_available(
    attempt: Callable[[int], Awaitable[T]], budget_s: float | None = None
) -> T:
    """Call `attempt` with the number of the try, from 1, until it is not `Unavailable`.

    Raises the last `Unavailable` when the budget is used up, which is `RETRY_BUDGET_S` if it is
    not given; with 0 there is one try.
    """
    done = await _tried(attempt, RETRY_BUDGET_S if budget_s is None else budget_s)
    if (deeds := counted.get()) is not None:
        deeds.count += 1
    return done


async def _tried(attempt: Callable[[int], Awaitable[T]], budget_s: float) -> T:
    # Making ready for retries takes longer than most attempts, so that waits for a failure.
    began_s = time.monotonic()
    try:
        return await attempt(1)
    except Unavailable as error:
        failed = error
    left_s = budget_s - (time.monotonic() - began_s)
    if left_s <= 0:
        raise failed
    async for trial in stamina.retry_context(
        on=Unavailable,
        attempts=None,
        timeout=left_s,
        wait_initial=_FIRST_WAIT_S,
        wait_max=_LONGEST_WAIT_S,
        wait_jitter=_FIRST_WAIT_S,
    ):
        with trial:
            if trial.num == 1:
                raise failed
            return await attempt(trial.num)
    raise AssertionError("a retry context ends by a return or a raise")
