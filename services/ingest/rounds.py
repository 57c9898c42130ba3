"""Keeps a round of the event loop short, so that sockets, acks and health come to their turn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

# Of checking bodies in one round; what is past it waits for the next.
ROUND_S = 0.005


class Rounds:
    """Spreads work that does not wait for anything over the rounds of the event loop."""

    def __init__(self) -> None:
        self._spent_s = 0.0

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Wait for a round that has time left, and count what is done in it."""
        while self._spent_s > ROUND_S:  # noqa: ASYNC110  (the next round is what is waited for)
            await asyncio.sleep(0)
        if self._spent_s == 0.0:
            asyncio.get_running_loop().call_soon(self._begin)
        began_s = time.perf_counter()
        try:
            yield
        finally:
            self._spent_s += time.perf_counter() - began_s

    def _begin(self) -> None:
        self._spent_s = 0.0
