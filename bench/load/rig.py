"""What the benches of load and of size share: a stack, its table, and requests without end."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from bench.comparison.scenarios import UNCAPPED
from bench.load import closed_loop as loads, open_loop as offering
from bench.load.closed_loop import Load
from bench.load.open_loop import ACCEPTED, Answered, Pace
from bench.stack.stages import Stage
from bench.stack.temporary import Stack
from bench.watch.arrivals import Arrivals, Arrived
from bench.watch.meter import now_s
from bench.watch.rows import Window
from tools.load.client import Client
from tools.progress import Step

# Enough for the waterfalls of every point, and few enough to cost nothing that could be measured.
SAMPLED = {**UNCAPPED, "OTEL_TRACES_SAMPLER_ARG": "1", "TRACE_PER_SECOND_MAX": "25"}
# So many events wait for their answers at once where one is sent after the other.
_WAITING_EVENTS = 1_600
_CONNECTIONS_MIN, _CONNECTIONS_MAX = 16, 512
_WARM_UPS = 2
# A load is kept up with if so much of it is stored while it lasts.
_KEPT_UP = 0.97
_HIGHER = 1.4
# The search ends when what is kept up with and what is not are as near as this.
_NEAR, _LOOKS_MAX = 1.08, 10


@dataclass(frozen=True, slots=True)
class Rig:
    """A stack that is measured; `bodies` never ends."""

    stack: Stack
    table: Arrivals
    bodies: Iterator[bytes]
    batch: int
    replicas: Sequence[Stage]

    @property
    def client(self) -> Client:
        """A new client of the door."""
        return offering.client_of(self.stack.reached)

    def per_s(self, events_per_s: float, duration_s: float) -> Pace:
        """Say how fast requests go out that make so many events a second."""
        return Pace(events_per_s / self.batch, duration_s)

    async def saturate(self, events: int, step: Step) -> Window:
        """Send so many events one after the other, and return from when to when they were stored.

        Each connection carries one request at a time. Other rows may be there already.
        """
        began_s = now_s()
        load = Load(list(islice(self.bodies, max(1, events // self.batch))), self.batch)
        reached = self.stack.reached
        await loads.send(
            load,
            reached.ingest_url,
            reached.api_key,
            min(max(_WAITING_EVENTS // self.batch, _CONNECTIONS_MIN), _CONNECTIONS_MAX),
            lambda accepted: step.update(f"{accepted:,} of {load.events:,} events accepted"),
        )
        await self.table.until(load.events, began_s, self.replicas, step.update)
        return await self.table.window(began_s)


async def find_peak(rig: Rig, events: int, seconds: float) -> float:
    """Find the most events a second that are stored of any load that is offered in open loop.

    The search begins with what a closed loop stores, and goes on between the highest load that was
    kept up with and the lowest one that was not: past that the stages take from each other.
    """
    window = Window(0, 0)
    for number in range(1, _WARM_UPS + 1):
        with Step(f"Warming up, {number} of {_WARM_UPS}") as step:
            window = await rig.saturate(events, step)
    search = Search(events / max(window.last_s - window.first_s, 1e-3))
    while not search.is_over:
        title = f"Looking for the peak, {search.looks + 1}: {search.offered_per_s:,.0f} events/s"
        with Step(title) as step:
            search.note(await _stored_per_s(rig, search.offered_per_s, seconds, step))
    return search.best_per_s


@dataclass(slots=True)
class Search:
    """Looks for the most that is stored a second, beginning at a guess."""

    offered_per_s: float
    best_per_s: float = 0.0
    looks: int = 0
    _kept_per_s: float = 0.0
    _lost_per_s: float = math.inf

    @property
    def is_over(self) -> bool:
        """Whether the load that is kept up with is known well enough, or the looks are used up."""
        return self.looks >= _LOOKS_MAX or self._lost_per_s <= _NEAR * self._kept_per_s

    def note(self, stored_per_s: float) -> None:
        """Take what was stored of the load, and choose the next one."""
        self.looks += 1
        self.best_per_s = max(self.best_per_s, stored_per_s)
        if stored_per_s >= _KEPT_UP * self.offered_per_s:
            self._kept_per_s = max(self._kept_per_s, self.offered_per_s)
        else:
            self._lost_per_s = min(self._lost_per_s, self.offered_per_s)
        if self._lost_per_s == math.inf:
            self.offered_per_s *= _HIGHER
        else:
            self.offered_per_s = (max(self._kept_per_s, self.best_per_s) + self._lost_per_s) / 2


async def _stored_per_s(rig: Rig, offered_per_s: float, seconds: float, step: Step) -> float:
    await rig.table.clear()
    began_s = now_s()
    answers: list[Answered] = []
    client = rig.client
    await offering.offer(client, rig.bodies, rig.per_s(offered_per_s, seconds), answers.append)
    client.close()
    ended_s = now_s()
    accepted = sum(one.status == ACCEPTED for one in answers)
    await rig.table.until(accepted * rig.batch, began_s, rig.replicas, step.update)
    # Without the first third, in which the pipeline fills.
    window = Window(began_s + (ended_s - began_s) / 3, ended_s)
    return stored_per_s(await rig.table.arrived(began_s), window)


def stored_per_s(arrived: Sequence[Arrived], window: Window) -> float:
    """Return how many events a second were stored in a window."""
    inside = (
        one.events for one in arrived if window.first_s * 1e6 <= one.stored_us < window.last_s * 1e6
    )
    return sum(inside) / (window.last_s - window.first_s)
