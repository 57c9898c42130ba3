"""Waiting for a dependency that is away: in place, with back-off, within a budget."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import stamina

from libs.errors import Unavailable

# Longer than an outage that somebody is at work on; past it the stage stops and is restarted.
RETRY_BUDGET_S = 1_800.0
_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 2.0

T = TypeVar("T")


async def until_available(attempt: Callable[[int], Awaitable[T]]) -> T:
    """Call `attempt` with the number of the try, from 1, until it is not `Unavailable`.

    Raises the last `Unavailable` when the budget is used up.
    """
    # Making ready for retries takes longer than most attempts, so that waits for a failure.
    try:
        return await attempt(1)
    except Unavailable as error:
        failed = error
    async for trial in stamina.retry_context(
        on=Unavailable,
        attempts=None,
        timeout=RETRY_BUDGET_S,
        wait_initial=_FIRST_WAIT_S,
        wait_max=_LONGEST_WAIT_S,
        wait_jitter=_FIRST_WAIT_S,
    ):
        with trial:
            if trial.num == 1:
                raise failed
            return await attempt(trial.num)
    raise AssertionError("a retry context ends by a return or a raise")
