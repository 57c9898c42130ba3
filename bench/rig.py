"""What the benches of load and of size share: a stack, its table, and requests without end."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from bench import load as loads, offering
from bench.arrivals import Arrivals, Arrived
from bench.load import Load
from bench.meter import now_s
from bench.offering import ACCEPTED, Answered, Pace
from bench.rows import Window
from bench.scenarios import UNCAPPED
from bench.stack import Stack
from bench.stages import Stage
from tools.load.client import Client
from tools.progress import Step

# Enough for the waterfalls of every point, and few enough to cost nothing that could be measured.
SAMPLED = {**UNCAPPED, "OTEL_TRACES_SAMPLER_ARG": "1", "TRACE_PER_SECOND_MAX": "25"}
# So many events wait for their answers at once where one is sent after the other.
_WAITING_EVENTS = 1_600
_CONNECTIONS_MIN, _CONNECTIONS_MAX = 16, 512
# More than can be stored, so that nothing stands still, and not so much more that taking it in
# costs what storing it needs.
_OVERLOAD = 1.1
_TRIES_MAX, _LOOKS = 8, 2
# A pipeline that stores more of what is offered is not at its limit yet.
_SATURATED_BELOW = 0.97


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
    """Find how many events a second are stored while somewhat more are offered, in open loop.

    What a closed loop stores is where it begins; while all that is offered is stored, it offers
    more. The median of two looks at the limit.
    """
    for number in (1, 2):
        with Step(f"Warming up, {number} of 2") as step:
            window = await rig.saturate(events, step)
    offered = _OVERLOAD * events / max(window.last_s - window.first_s, 1e-3)
    found: list[float] = []
    stored = 0.0
    for number in range(1, _TRIES_MAX + 1):
        with Step(f"Looking for the peak, {number}: {offered:,.0f} events/s") as step:
            stored = await _stored_per_s(rig, offered, seconds, step)
        if stored >= _SATURATED_BELOW * offered:
            offered *= _OVERLOAD
            continue
        found.append(stored)
        offered = _OVERLOAD * stored
        if len(found) == _LOOKS:
            break
    return statistics.median(found or [stored])


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
