"""Requests that are written before anything is measured, and a closed loop that sends them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.load.door import ACCEPTED, ANSWER_TIMEOUT_S
from libs.errors import Unavailable
from tools.errors import OperatorError
from tools.load.client import Client
from tools.load.plan import Plan

# Each carries one request at a time.
CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class Load:
    """The bodies of requests of `batch` events each; no two events have the same id."""

    bodies: Sequence[bytes]
    batch: int

    @property
    def events(self) -> int:
        """How many events there are."""
        return len(self.bodies) * self.batch


def written(events: int, batch: int) -> Load:
    """Write as many requests as make about `events` events."""
    plan = Plan.of(rate_events_per_s=events, duration_s=1, batch=batch)
    return Load([plan.body(request) for request in range(plan.requests)], batch)


async def send(
    load: Load, client: Client, show: Callable[[str], None], connections: int = CONNECTIONS
) -> None:
    """Send every request, one at a time on each connection; `show` gets what was accepted.

    Raises `OperatorError` if one is not accepted.
    """
    left = iter(load.bodies)
    accepted = 0

    async def keep_sending() -> None:
        nonlocal accepted
        for body in left:
            await _post(client, body)
            accepted += load.batch
            show(f"{accepted:,} of {load.events:,} events accepted")

    senders = [asyncio.create_task(keep_sending()) for _ in range(connections)]
    try:
        await asyncio.gather(*senders)
    finally:
        for sender in senders:
            sender.cancel()


async def _post(client: Client, body: bytes) -> None:
    try:
        answer = await client.post(body, ANSWER_TIMEOUT_S)
    except Unavailable as error:
        raise OperatorError(f"The door gave {error}.") from error
    if answer.status != ACCEPTED:
        said = answer.body.decode(errors="replace")
        raise OperatorError(f"The door answered {answer.status}: {said}")
