"""What is wanted of us against the others, and whether it is so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.peers.entrants import BLOG, ENTRANTS, GOOD_AFTERNOON, OURS, REFERENCE
from bench.peers.figures import Cell, Figure, Figures, cpu_us, events_per_s, p99_ms
from bench.report.spread import Spread

_PEER_BATCH = 1


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that is wanted: `wanted` is the least, or the most, that `found` may be."""

    what: str
    found: Spread
    wanted: float
    is_most: bool = False
    unit: str = "x"

    @property
    def is_met(self) -> bool:
        """Whether the median is as it is wanted."""
        median = self.found.median
        return median <= self.wanted if self.is_most else median >= self.wanted


def claims(figures: Figures) -> list[Claim]:
    """Return what is wanted and was measured."""
    return [*_against(figures), *_alone(figures)]


def unbeaten(figures: Figures) -> list[str]:
    """Name each peer that is not behind us: at each batch, each rate and in each respect."""
    return [
        *_not_behind(figures, "chain", "throughput", events_per_s, is_more_better=True),
        *_not_behind(figures, "chain", "processor time", cpu_us, is_more_better=False),
        *_not_behind(figures, "glass", "p99", p99_ms, is_more_better=False),
    ]


def _against(figures: Figures) -> Iterator[Claim]:
    ours = _ours("chain", 100, 1)
    for peer, percent, wanted in (
        (BLOG, 1, 60),
        (GOOD_AFTERNOON, 1, 5),
        (REFERENCE, 0, 2.5),
        (BLOG, 100, 90),
    ):
        mine = ours if percent <= 1 else ours._replace(percent=percent)
        theirs = Cell("chain", peer.name, _PEER_BATCH, percent)
        ratio = figures.ratio(mine, theirs, events_per_s)
        if ratio is not None:
            what = f"throughput, batches of 100 at {mine.percent:g} %, of {peer.name}"
            said = f" at {percent} %" if peer.is_traced else ""
            yield Claim(what + said, ratio, wanted)


def _alone(figures: Figures) -> Iterator[Claim]:
    most_cpu = figures.spread(_ours("chain", 100, 1), cpu_us)
    if most_cpu is not None:
        yield Claim("processor time an event, batches of 100 at 1 %", most_cpu, 9, True, "µs")
    for batch, wanted, what in ((100, 40_000, "events"), (1, 4_000, "requests")):
        whole = figures.spread(_ours("whole", batch, 1), events_per_s)
        if whole is not None:
            yield Claim(f"through the door, batches of {batch} at 1 %", whole, wanted,
                        unit=f"{what}/s")  # fmt: skip


def _not_behind(
    figures: Figures,
    part: str,
    what: str,
    value: Callable[[Figure], float],
    *,
    is_more_better: bool,
) -> Iterator[str]:
    cells = figures.cells(part)
    for mine in (cell for cell in cells if cell.system == OURS):
        for theirs in (cell for cell in cells if cell.system != OURS):
            # Who has no tracing is measured once, and compared with all of ours.
            if ENTRANTS[theirs.system].is_traced and theirs.percent != mine.percent:
                continue
            ratio = figures.ratio(mine, theirs, value)
            if ratio is not None and (ratio.median > 1) is not is_more_better:
                yield (
                    f"{theirs.system} at {theirs.percent:g} % is not behind ours in batches of "
                    f"{mine.batch} at {mine.percent:g} % in {what}: {ratio.median:.2f} times."
                )


def _ours(part: str, batch: int, percent: float) -> Cell:
    return Cell(part, OURS, batch, percent)
