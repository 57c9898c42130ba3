"""What is measured in each round, in turns, and how many events each run has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

from bench.comparison.scenarios import Bench
from bench.load import closed_loop
from bench.load.closed_loop import Load
from bench.load.open_loop import Pace
from bench.load.turns import in_turn
from bench.load.warming import warm_up
from bench.peers import ceiling, chain, glass, ours
from bench.peers.chain import Field
from bench.peers.entrants import ENTRANTS, OURS, Entrant
from bench.peers.figures import Cell, Figure
from tools.progress import Step

PARTS = ("chain", "whole", "glass", "limit")
_PEER_BATCH = 1
_USUAL_PERCENT = 1.0
# A run of fewer would be over before it is steady.
_EVENTS_MIN = 500
_WARM_UP_S = 1.0
# About as many as ours stores in a second, if so many are in a request.
_OURS_PER_S_MAX = 50_000
_OURS_REQUESTS_PER_S = 10_000
# Of the limits, which are above all that is measured.
_LIMIT_PER_S = 100_000

Measure = Callable[[int, Step], Awaitable[list[Figure]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured: by whom, in which batches, with how many of a hundred sampled."""

    rounds: int
    window_s: float
    events_max: int
    entrants: Sequence[str]
    parts: Sequence[str]
    batches: Sequence[int]
    percents: Sequence[float]
    pace: Pace

    @property
    def has_ours(self) -> bool:
        """Whether we take part."""
        return OURS in self.entrants

    def peers(self) -> Iterator[tuple[Entrant, float]]:
        """Return each peer with each rate of sampling; one without tracing comes once."""
        for name in self.entrants:
            if name in ENTRANTS:
                entrant = ENTRANTS[name]
                for percent in self.percents if entrant.is_traced else (0.0,):
                    yield entrant, percent

    def ours(self) -> Iterator[tuple[int, float]]:
        """Return each of our batches with each rate of sampling."""
        if self.has_ours:
            for batch in self.batches:
                yield from ((batch, percent) for percent in self.percents)

    def through_the_door(self) -> Iterator[tuple[int, float]]:
        """Return each of our batches with one rate of sampling; `bench tracing` has the others."""
        if self.has_ours:
            percent = _USUAL_PERCENT if _USUAL_PERCENT in self.percents else self.percents[0]
            yield from ((batch, percent) for batch in self.batches)

    def ours_events(self, batch: int) -> int:
        """Return about how many events of ours a run has."""
        per_s = min(_OURS_PER_S_MAX, _OURS_REQUESTS_PER_S * batch)
        return min(self.events_max, round(per_s * self.window_s))

    def events(self, events_per_s: float) -> int:
        """Return how many events a run has of who stores so many in a second."""
        return max(_EVENTS_MIN, min(self.events_max, round(events_per_s * self.window_s)))


class Rounds:
    """Runs a plan."""

    def __init__(self, field: Field, plan: Plan) -> None:
        self._field = field
        self._plan = plan
        self._loads: dict[int, Load] = {}
        # What each peer did last, by which its next run is sized.
        self._events_per_s: dict[Cell, float] = {}

    async def run(self, figures: list[Figure]) -> None:
        """Warm everything up, and measure round by round; each figure is added when it is there."""
        await self._warm_up()
        jobs = dict(self._jobs())
        for number in range(1, self._plan.rounds + 1):
            for place, name in enumerate(in_turn(list(jobs), number), 1):
                with Step(
                    f"Round {number} of {self._plan.rounds}, {place} of {len(jobs)}: {name}"
                ) as step:
                    figures += await jobs[name](number, step)

    def _jobs(self) -> Iterator[tuple[str, Measure]]:
        for part, jobs in (
            ("chain", self._chain_jobs),
            ("whole", self._whole_jobs),
            ("glass", self._glass_jobs),
            ("limit", self._limit_jobs),
        ):
            if part in self._plan.parts:
                yield from jobs()

    def _chain_jobs(self) -> Iterator[tuple[str, Measure]]:
        for entrant, percent in self._plan.peers():
            yield f"{entrant.name} at {percent:g} %", self._peer(entrant, percent)
        for batch, percent in self._plan.ours():
            cell = ours.cell("chain", batch, percent)

            async def apart(number: int, step: Step, cell: Cell = cell) -> list[Figure]:
                return await ours.apart(self._field, self._bench(cell.batch), cell, number, step)

            yield f"ours by {batch} at {percent:g} %", apart

    def _whole_jobs(self) -> Iterator[tuple[str, Measure]]:
        for batch, percent in self._plan.through_the_door():
            cell = ours.cell("whole", batch, percent)

            async def whole(number: int, step: Step, cell: Cell = cell) -> list[Figure]:
                bench = self._bench(cell.batch)
                return [await ours.together(self._field, bench, cell, number, step)]

            yield f"ours by {batch} at {percent:g} %, through the door", whole

    def _glass_jobs(self) -> Iterator[tuple[str, Measure]]:
        pace = self._plan.pace
        for entrant, percent in self._plan.peers():
            cell = Cell("glass", entrant.name, _PEER_BATCH, percent)

            async def peers(
                number: int, step: Step, cell: Cell = cell, entrant: Entrant = entrant
            ) -> list[Figure]:
                return [await glass.peers(self._field, entrant, cell, number, pace=pace, step=step)]

            yield f"time to glass, {entrant.name} at {percent:g} %", peers
        for percent in self._plan.percents if self._plan.has_ours else ():
            cell = ours.cell("glass", _PEER_BATCH, percent)

            async def door(number: int, step: Step, cell: Cell = cell) -> list[Figure]:
                return [
                    await glass.through_the_door(self._field, cell, number, pace=pace, step=step)
                ]

            yield f"time to glass, ours at {percent:g} %", door

    def _limit_jobs(self) -> Iterator[tuple[str, Measure]]:
        events = self._plan.events(_LIMIT_PER_S)

        async def hop(number: int, step: Step) -> list[Figure]:
            return [await ceiling.hop(self._field, number, events, step)]

        async def copy(number: int, step: Step) -> list[Figure]:
            return [await ceiling.copy(self._field, number, events, step)]

        yield ceiling.HOP.system, hop
        yield ceiling.COPY.system, copy

    def _peer(self, entrant: Entrant, percent: float) -> Measure:
        cell = Cell("chain", entrant.name, _PEER_BATCH, percent)

        async def measure(number: int, step: Step) -> list[Figure]:
            events = self._plan.events(self._events_per_s[cell])
            figure = await chain.measure(
                self._field, entrant, cell, number, events=events, step=step
            )
            self._events_per_s[cell] = figure.events_per_s
            return [figure]

        return measure

    def _bench(self, batch: int) -> Bench:
        """Return what our scenarios need; requests are written once for each batch."""
        if batch not in self._loads:
            self._loads[batch] = closed_loop.written(self._plan.ours_events(batch), batch)
        # As delivered: small requests share a record, large ones are cut.
        return Bench(self._field.stack, self._field.table, self._loads[batch], {})

    async def _warm_up(self) -> None:
        """Warm up what all stand on, and see how many events each peer is to be given."""
        with Step("Writing requests"):
            for batch, _percent in self._plan.ours():
                self._bench(batch)
        await warm_up(self._field.stack, self._field.table, self._plan.events_max)
        if "chain" not in self._plan.parts:
            return
        for entrant, percent in self._plan.peers():
            cell = Cell("chain", entrant.name, _PEER_BATCH, percent)
            with Step(f"Warming up, {entrant.name} at {percent:g} %") as step:
                events = max(_EVENTS_MIN, round(entrant.events_per_s * _WARM_UP_S))
                figure = await chain.measure(
                    self._field, entrant, cell, 0, events=events, step=step
                )
            self._events_per_s[cell] = figure.events_per_s
