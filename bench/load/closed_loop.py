"""Requests that are written before anything is measured, and a closed loop that sends them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from libs.errors import Unavailable
from tools.errors import OperatorError
from tools.load.client import Client
from tools.load.plan import Plan

_OPEN_LIMIT_S = 20.0
_POLL_S = 0.05
_ANSWER_TIMEOUT_S = 30.0
_ACCEPTED = 202
_PATH = "/v1/events"


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
    load: Load, url: str, api_key: str, connections: int, show: Callable[[int], None]
) -> None:
    """Send every request, one at a time on each connection; `show` gets the events accepted.

    Raises `OperatorError` if one is not accepted.
    """
    headers = {"Api-Key": api_key, "Content-Type": "application/json"}
    client = Client(url, _PATH, headers)
    left = iter(load.bodies)
    accepted = 0

    async def keep_sending() -> None:
        nonlocal accepted
        for body in left:
            await _post(client, body)
            accepted += load.batch
            show(accepted)

    senders = [asyncio.create_task(keep_sending()) for _ in range(connections)]
    try:
        await asyncio.gather(*senders)
    finally:
        for sender in senders:
            sender.cancel()
        client.close()


async def until_open(url: str) -> None:
    """Wait until the door takes requests: it listens before Kafka has answered it.

    Raises `OperatorError` if it does not in time.
    """
    address = urlsplit(url)
    deadline = time.monotonic() + _OPEN_LIMIT_S
    while True:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(f"GET /ready HTTP/1.0\r\nHost: {address.netloc}\r\n\r\n".encode())
        status = await reader.readline()
        writer.close()
        await writer.wait_closed()
        if b" 200 " in status:
            return
        if time.monotonic() > deadline:
            raise OperatorError(f"The door is not open after {_OPEN_LIMIT_S:.0f} s.")
        await asyncio.sleep(_POLL_S)


async def _post(client: Client, body: bytes) -> None:
    try:
        answer = await client.post(body, _ANSWER_TIMEOUT_S)
    except Unavailable as error:
        raise OperatorError(f"The door gave {error}.") from error
    if answer.status != _ACCEPTED:
        said = answer.body.decode(errors="replace")
        raise OperatorError(f"The door answered {answer.status}: {said}")
