"""One point of a curve: what became of a load that was offered in open loop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from bench.latency import floor
from bench.latency.floor import Floor
from bench.latency.quantiles import Quantiles, Timed
from bench.load.door import ACCEPTED
from bench.load.open_loop import Answered
from bench.load.rig import Rig
from bench.watch import arrivals, usage
from bench.watch.arrivals import Arrived, stored_per_s
from bench.watch.table import Window
from tools.errors import OperatorError
from tools.progress import Step

# The pipeline fills, and its readers find their rhythm.
WARM_UP_S = 4.0


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """A load, and what became of it; times to glass are until right before the COMMIT.

    `due` counts from when a request was meant to be sent, `received` from when the door had it.
    `late` is what lies between both. `share` is of the peak, in percent; `answers` are requests by
    status, 0 for those without an answer. `backlog_events` were accepted and not yet stored when
    the last request was answered, and `drained_s` later they were.
    """

    share: int
    round: int
    offered_per_s: float
    stored_per_s: float
    due: Quantiles
    received: Quantiles
    late: Quantiles
    answer: Quantiles
    answers: dict[int, int]
    missing_events: int
    backlog_events: int
    drained_s: float
    cpu_us_per_event: dict[str, float]
    floor: Floor

    @property
    def refused(self) -> int:
        """How many requests were not accepted."""
        return sum(self.answers.values()) - self.answers.get(ACCEPTED, 0)


@dataclass(frozen=True, slots=True)
class Aim:
    """Which load is offered in which round, and for how long it is measured."""

    share: int
    round: int
    events_per_s: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Seen:
    """What came back of a load of `batch` events a request, measured in a window of its time."""

    answers: Sequence[Answered]
    arrived: Sequence[Arrived]
    batch: int
    window: Window


async def measured(rig: Rig, aim: Aim, step: Step) -> Point:
    """Offer a load onto an empty table, and wait until all that was accepted is stored."""
    await rig.table.clear()
    before = usage.look(rig.stack, rig.fleet.replicas)
    offered = await rig.offer(aim.events_per_s, WARM_UP_S + aim.seconds, step.update)
    if not offered.accepted:
        raise OperatorError(f"No request was accepted at {aim.events_per_s:,.0f} events/s.")
    after = usage.look(rig.stack, rig.fleet.replicas)
    window = Window(offered.window.first_s + WARM_UP_S, offered.window.last_s)
    traces = await floor.told(rig.stack.reached.jaeger_url, window)
    if not traces:
        raise OperatorError("Jaeger has no whole trace of the load; is something else sending?")
    arrived = await arrivals.arrived(rig.table, offered.window.first_s)
    seen = Seen(offered.answers, arrived, rig.batch, window)
    cpu_us = usage.us_per_event(before, after, offered.accepted)
    return summed(aim, seen, cpu_us, floor.summed(traces))


def summed(aim: Aim, seen: Seen, cpu_us_per_event: dict[str, float], told: Floor) -> Point:
    """Hold what the door said of each request against the rows of it."""
    by_trace = {one.trace_id: one for one in seen.arrived}
    accepted = [one for one in seen.answers if one.status == ACCEPTED]
    pairs = [(one, by_trace[one.trace_id]) for one in accepted if one.trace_id in by_trace]
    first_us, last_us = seen.window.first_s * 1e6, seen.window.last_s * 1e6
    counted = [(said, row) for said, row in pairs if first_us <= said.due_us < last_us]
    late = sum(row.events for _, row in pairs if row.stored_us >= last_us)
    return Point(
        share=aim.share,
        round=aim.round,
        offered_per_s=aim.events_per_s,
        stored_per_s=stored_per_s(seen.arrived, seen.window),
        due=Quantiles.of(Timed(row.stored_us - said.due_us, row.events) for said, row in counted),
        received=Quantiles.of(Timed(row.stored_us - row.received_us, row.events)
                              for _, row in counted),
        late=Quantiles.of(Timed(row.received_us - said.due_us) for said, row in counted),
        answer=Quantiles.of(Timed(said.answered_us - said.due_us) for said, _ in counted),
        answers=dict(Counter(one.status for one in seen.answers)),
        missing_events=len(accepted) * seen.batch - sum(row.events for _, row in pairs),
        backlog_events=late,
        drained_s=max(max(row.stored_us for _, row in pairs) - last_us, 0) / 1e6,
        cpu_us_per_event=cpu_us_per_event,
        floor=told,
    )  # fmt: skip
