"""The most events a second that are stored, of any load that is offered."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench.load.rig import Rig
from bench.watch import arrivals
from bench.watch.table import Window
from tools.progress import Step

# A load is kept up with if so much of it is stored while it lasts.
_KEPT_UP = 0.97
_HIGHER = 1.4
# The search ends when what is kept up with and what is not are as near as this.
_NEAR, _LOOKS_MAX = 1.08, 10


async def find(rig: Rig, events: int, seconds: float) -> float:
    """Find the most events a second that are stored of any load that is offered in open loop.

    The search begins with what a closed loop stores, and goes on between the highest load that was
    kept up with and the lowest one that was not: past that the stages take from each other.
    """
    with Step("Looking for the peak, in a closed loop") as step:
        window = await rig.saturate(events, step.update)
    search = Search(events / max(window.took_s, 1e-3))
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
    offered = await rig.offer(offered_per_s, seconds, step.update)
    # Without the first third, in which the pipeline fills.
    begin_s = offered.window.first_s + offered.window.took_s / 3
    window = Window(begin_s, offered.window.last_s)
    stored = await arrivals.arrived(rig.table, offered.window.first_s)
    return arrivals.stored_per_s(stored, window)
