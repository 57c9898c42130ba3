"""The results of the contest: tables for a terminal and a document, and charts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec
from rich.console import Console
from rich.table import Table

from bench.comparison.report import ranged
from bench.comparison.results import Spread
from bench.peers.claims import claims, unbeaten
from bench.peers.entrants import ENTRANTS, OURS
from bench.peers.figures import Cell, Figure, Figures, cpu_us, events_per_s, p50_ms, p99_ms
from bench.report import charts
from bench.watch.machine import Machine

# The batch that peers are compared with.
_BATCH = 100
# What of ours stands beside a peer without tracing.
_PERCENT = 1.0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of one contest."""

    machine: Machine
    rounds: int
    window_s: float
    rate_events_per_s: float
    figures: list[Figure]


@dataclass(frozen=True, slots=True)
class Section:
    """One table with a title."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def preamble(report: Report) -> Iterator[str]:
    """Say where, when and how it was measured."""
    machine = report.machine
    yield (
        f"{machine.date}, commit {machine.commit}: {machine.cores} cores of {machine.processor}, "
        f"{machine.memory_gib} GiB, {machine.system}, load average {machine.load_average} before."
    )
    yield ", ".join(f"{name} {number}" for name, number in machine.versions.items()) + "."
    yield (
        f"{report.rounds} rounds, interleaved, of about {report.window_s:g} s each. Medians, with "
        "the lowest and the highest; ratios are taken round by round. CPU is processor time of "
        "the stages for one event."
    )


def sections(report: Report) -> list[Section]:
    """Return the tables that have something to show."""
    figures = Figures(report.figures)
    made = [
        _wanted(figures),
        _peers(figures),
        _ours(figures),
        _glass(figures, report.rate_events_per_s),
        _limits(figures),
    ]
    return [section for section in made if section.rows]


def remarks(report: Report) -> list[str]:
    """Say where a peer is not behind us."""
    return unbeaten(Figures(report.figures))


def draw(console: Console, report: Report) -> None:
    """Print everything."""
    for text in preamble(report):
        console.print(text, highlight=False)
    for section in sections(report):
        table = Table(*section.head, box=None, padding=(0, 1, 0, 0), pad_edge=False)
        for column in table.columns[1:]:
            column.justify = "right"
        for row in section.rows:
            table.add_row(*row)
        console.print(f"\n{section.title}", highlight=False)
        console.print(table)
    for text in remarks(report):
        console.print(f"\n{text}", highlight=False)


def markdown(report: Report, images: Sequence[str]) -> str:
    """Write the same as a part of a document; `images` are links to the charts."""
    texts = ["\n".join(preamble(report)), *images]
    for section in sections(report):
        written = [f"| {' | '.join(row)} |" for row in (section.head, *section.rows)]
        written.insert(1, "|---|" + "---:|" * (len(section.head) - 1))
        texts.append("\n".join((f"{section.title}:", "", *written)))
    return "\n\n".join((*texts, *(f"- {text}" for text in remarks(report)))) + "\n"


def pictures(report: Report) -> dict[str, str]:
    """Draw the charts that have something to show, by the name of the file."""
    figures = Figures(report.figures)
    drawn: dict[str, str] = {}
    for name, title, unit, part, value in (
        ("throughput", "Events stored, from the first topic", "events/s", "chain", events_per_s),
        ("cpu", "Processor time of the three stages", "µs an event", "chain", cpu_us),
        ("glass", f"Time to glass at {report.rate_events_per_s:g} events/s, p99", "ms", "glass",
         p99_ms),
    ):  # fmt: skip
        groups = _groups(figures, part, value)
        if groups:
            drawn[f"peers-{name}.svg"] = charts.bars(title, unit, groups, log=True)
    return drawn


def _groups(
    figures: Figures, part: str, value: Callable[[Figure], float]
) -> dict[str, dict[str, float]]:
    groups: dict[str, dict[str, float]] = {}
    for cell in figures.cells(part):
        spread = figures.spread(cell, value)
        assert spread is not None
        name = f"ours, by {cell.batch}" if cell.system == OURS else cell.system
        groups.setdefault(name, {})[f"{cell.percent:g} % sampled"] = spread.median
    return groups


def _wanted(figures: Figures) -> Section:
    rows = [
        (
            claim.what,
            f"{'at most' if claim.is_most else 'at least'} {claim.wanted:,g} {claim.unit}",
            ranged(claim.found, ",.0f" if claim.found.median >= 100 else ".1f"),
            "yes" if claim.is_met else "no",
        )
        for claim in claims(figures)
    ]
    return Section("What is wanted of ours", ("what", "wanted", "measured", "met"), rows)


def _peers(figures: Figures) -> Section:
    rows: list[Sequence[str]] = []
    for cell in figures.cells("chain"):
        if cell.system == OURS:
            continue
        percent = cell.percent if ENTRANTS[cell.system].is_traced else _PERCENT
        mine = Cell("chain", OURS, _BATCH, percent)
        rows.append(
            (
                cell.system,
                f"{cell.percent:g} %",
                _thousands(figures, cell),
                _of(figures, cell, cpu_us, ".0f"),
                _times(figures.ratio(mine, cell, events_per_s)),
                _times(figures.ratio(cell, mine, cpu_us)),
            )
        )
    head = ("from the first topic", "sampled", "1,000 events/s", "CPU µs", "ours is", "for 1/")
    return Section(
        f"Peers, one event a record, and ours in batches of {_BATCH} at the same rate of sampling "
        f"(at {_PERCENT:g} % beside one without tracing)", head, rows
    )  # fmt: skip


def _ours(figures: Figures) -> Section:
    cells = dict.fromkeys(
        cell._replace(part="")
        for part in ("chain", "whole")
        for cell in figures.cells(part)
        if cell.system == OURS
    )
    rows = [
        (
            f"by {cell.batch}",
            f"{cell.percent:g} %",
            _thousands(figures, cell._replace(part="chain")),
            _of(figures, cell._replace(part="chain"), cpu_us, ".1f"),
            _thousands(figures, cell._replace(part="door")),
            _thousands(figures, cell._replace(part="whole")),
            _of(figures, cell._replace(part="whole"), cpu_us, ".1f"),
        )
        for cell in sorted(cells, key=lambda cell: (cell.batch, cell.percent))
    ]
    head = ("ours", "sampled", "from the first topic", "CPU µs", "the door alone",
            "through the door", "CPU µs")  # fmt: skip
    return Section("Ours, by events a request, in 1,000 events/s", head, rows)


def _glass(figures: Figures, rate_events_per_s: float) -> Section:
    rows = [
        (
            cell.system,
            f"{cell.percent:g} %",
            _of(figures, cell, p50_ms, ".1f"),
            _of(figures, cell, p99_ms, ".1f"),
            _of(figures, cell, cpu_us, ".0f"),
        )
        for cell in figures.cells("glass")
    ]
    return Section(
        f"From when an event is made until it is stored, at {rate_events_per_s:g} events/s; ours "
        "goes through the door, one a request",
        ("time to glass", "sampled", "p50 ms", "p99 ms", "CPU µs"),
        rows,
    )


def _limits(figures: Figures) -> Section:
    rows = [
        (cell.system, _thousands(figures, cell), _of(figures, cell, cpu_us, ".2f"))
        for cell in figures.cells("limit")
    ]
    return Section("The limits", ("limit", "1,000 events/s", "CPU µs"), rows)


def _thousands(figures: Figures, cell: Cell) -> str:
    spread = figures.spread(cell, events_per_s)
    if spread is None:
        return ""
    return ranged(spread, ".1f" if spread.median >= 10_000 else ".2f", 1e3)


def _of(figures: Figures, cell: Cell, value: Callable[[Figure], float], form: str) -> str:
    spread = figures.spread(cell, value)
    return "" if spread is None else ranged(spread, form)


def _times(spread: Spread | None) -> str:
    return "" if spread is None else f"{ranged(spread, '.0f' if spread.median >= 10 else '.1f')} x"
