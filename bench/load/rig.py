"""A pipeline that works, with its table, and requests without end to load it with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from bench.load import closed_loop, door, open_loop
from bench.load.closed_loop import Load
from bench.load.door import ACCEPTED
from bench.load.open_loop import Answered, Pace
from bench.stack.fleet import Fleet
from bench.stack.temporary import Stack
from bench.watch.meter import now_s
from bench.watch.table import Table, Window

# So many events wait for their answers at once where one is sent after the other.
_WAITING_EVENTS = 1_600
_CONNECTIONS_MAX = 512


@dataclass(frozen=True, slots=True)
class Offered:
    """What became of requests that were offered from when to when; the accepted ones are stored."""

    answers: list[Answered]
    accepted: int
    window: Window


@dataclass(frozen=True, slots=True)
class Rig:
    """A stack that is measured; `bodies`, of `batch` events each, never end."""

    stack: Stack
    table: Table
    fleet: Fleet
    bodies: Iterator[bytes]
    batch: int

    def body(self, _number: int, _due_us: int) -> bytes:
        """Return the body of the next request, whichever it is."""
        return next(self.bodies)

    def pace(self, events_per_s: float, duration_s: float) -> Pace:
        """Say how fast requests go out that make so many events a second."""
        return Pace(events_per_s / self.batch, duration_s)

    async def saturate(self, events: int, show: Callable[[str], None]) -> Window:
        """Send so many events in a closed loop, and return from when to when they were stored.

        Other rows may be there already.
        """
        began_s = now_s()
        load = Load(list(islice(self.bodies, max(1, events // self.batch))), self.batch)
        waiting = min(_WAITING_EVENTS // self.batch, _CONNECTIONS_MAX)
        with door.client(self.stack.reached) as client:
            connections = max(waiting, closed_loop.CONNECTIONS)
            await closed_loop.send(load, client, show, connections)
        await self.table.until(load.events, self.fleet.check, show, began_s)
        return await self.table.window(began_s)

    async def offer(
        self, events_per_s: float, seconds: float, show: Callable[[str], None]
    ) -> Offered:
        """Offer so many events a second in open loop, and wait for all that were accepted."""
        began_s = now_s()
        answers: list[Answered] = []
        pace = self.pace(events_per_s, seconds)
        with door.client(self.stack.reached) as client:
            await open_loop.offer(client, self.body, pace, answers.append)
        window = Window(began_s, now_s())
        accepted = sum(one.status == ACCEPTED for one in answers) * self.batch
        await self.table.until(accepted, self.fleet.check, show, began_s)
        return Offered(answers, accepted, window)
