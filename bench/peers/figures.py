"""What was measured in each round, and what it comes to over the rounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from bench.report.spread import Spread

# Of what a peer does for an event; what they stand on is measured, and not counted.
_STAGES = ("ingest", "normalize", "decorate", "sink", "program")


class Cell(NamedTuple):
    """One thing that is measured in every round.

    `part` is `chain` (from the first topic), `door` (the door alone), `whole` (through the door),
    `glass` (how long events take) or `limit`. `batch` is events a request, 1 for a peer.
    """

    part: str
    system: str
    batch: int
    percent: float


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A cell in one round; rounds count from 1. Processor time is of each process, by its name."""

    cell: Cell
    round: int
    events: int
    took_s: float
    cpu_us_per_event: dict[str, float]
    p50_ms: float = 0.0
    p99_ms: float = 0.0

    @property
    def events_per_s(self) -> float:
        """How much it did."""
        return self.events / self.took_s

    @property
    def cpu_us(self) -> float:
        """The processor time for one event, without what it stands on."""
        return sum(self.cpu_us_per_event.get(stage, 0.0) for stage in _STAGES)


class Figures:
    """All that was measured, by cell."""

    def __init__(self, figures: Sequence[Figure]) -> None:
        self._by_cell: dict[Cell, list[Figure]] = {}
        for figure in figures:
            self._by_cell.setdefault(figure.cell, []).append(figure)

    def cells(self, part: str) -> list[Cell]:
        """Return the cells of a part: system by system, by batch, by percent."""
        found = [cell for cell in self._by_cell if cell.part == part]
        systems = list(dict.fromkeys(cell.system for cell in found))
        return sorted(found, key=lambda c: (systems.index(c.system), c.batch, c.percent))

    def spread(self, cell: Cell, value: Callable[[Figure], float]) -> Spread | None:
        """Return the median and both ends of a value over the rounds; `None` if not measured."""
        found = self._by_cell.get(cell)
        return Spread.of([value(figure) for figure in found]) if found else None

    def ratio(self, cell: Cell, other: Cell, value: Callable[[Figure], float]) -> Spread | None:
        """Return how many times the value of another cell it is, taken round by round."""
        by_round = {figure.round: figure for figure in self._by_cell.get(other, [])}
        pairs = [
            (value(figure), value(by_round[figure.round]))
            for figure in self._by_cell.get(cell, [])
            if figure.round in by_round
        ]
        return Spread.of([mine / its for mine, its in pairs]) if pairs else None


def events_per_s(figure: Figure) -> float:
    """How much it did."""
    return figure.events_per_s


def cpu_us(figure: Figure) -> float:
    """The processor time for one event."""
    return figure.cpu_us


def p50_ms(figure: Figure) -> float:
    """How long half of the events took at most."""
    return figure.p50_ms


def p99_ms(figure: Figure) -> float:
    """How long 99 of 100 events took at most."""
    return figure.p99_ms
