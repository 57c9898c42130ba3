"""What was measured of us and of our peers, as tables and charts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from bench.peers.claims import claims, unbeaten
from bench.peers.entrants import ENTRANTS, OURS
from bench.peers.figures import Cell, Figure, Figures, cpu_us, events_per_s, p50_ms, p99_ms
from bench.report import charts
from bench.report.sheets import Account, Sheet, where
from bench.report.spread import Spread, ranged
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


def account(report: Report) -> Account:
    """Tell all of it."""
    figures = Figures(report.figures)
    return Account(
        name="peers",
        told=report,
        preamble=[*where(report.machine), _method(report)],
        sheets=_sheets(figures, report.rate_events_per_s),
        remarks=unbeaten(figures),
        charts=_charts(figures, report.rate_events_per_s),
    )


def _method(report: Report) -> str:
    return (
        f"{report.rounds} rounds, interleaved, of about {report.window_s:g} s each. Medians, with "
        "the lowest and the highest; ratios are taken round by round. CPU is processor time of "
        "the stages for one event."
    )


def _sheets(figures: Figures, rate_events_per_s: float) -> list[Sheet]:
    """Return the tables that have something to show."""
    made = [
        _wanted(figures),
        _peers(figures),
        _ours(figures),
        _glass(figures, rate_events_per_s),
        _limits(figures),
    ]
    return [sheet for sheet in made if sheet.rows]


def _charts(figures: Figures, rate_events_per_s: float) -> dict[str, str]:
    """Draw the charts that have something to show."""
    drawn: dict[str, str] = {}
    for name, title, unit, part, value in (
        ("throughput", "Events stored, from the first topic", "events/s", "chain", events_per_s),
        ("cpu", "Processor time of the three stages", "µs an event", "chain", cpu_us),
        ("glass", f"Time to glass at {rate_events_per_s:g} events/s, p99", "ms", "glass", p99_ms),
    ):
        groups = _groups(figures, part, value)
        if groups:
            drawn[f"peers-{name}"] = charts.bars(title, unit, groups, log=True)
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


def _wanted(figures: Figures) -> Sheet:
    rows = [
        (
            claim.what,
            f"{'at most' if claim.is_most else 'at least'} {claim.wanted:,g} {claim.unit}",
            ranged(claim.found, ",.0f" if claim.found.median >= 100 else ".1f"),
            "yes" if claim.is_met else "no",
        )
        for claim in claims(figures)
    ]
    return Sheet("What is wanted of ours", ("what", "wanted", "measured", "met"), rows)


def _peers(figures: Figures) -> Sheet:
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
    return Sheet(
        f"Peers, one event a record, and ours in batches of {_BATCH} at the same rate of sampling "
        f"(at {_PERCENT:g} % beside one without tracing)", head, rows
    )  # fmt: skip


def _ours(figures: Figures) -> Sheet:
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
    return Sheet("Ours, by events a request, in 1,000 events/s", head, rows)


def _glass(figures: Figures, rate_events_per_s: float) -> Sheet:
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
    return Sheet(
        f"From when an event is made until it is stored, at {rate_events_per_s:g} events/s; ours "
        "goes through the door, one a request",
        ("time to glass", "sampled", "p50 ms", "p99 ms", "CPU µs"),
        rows,
    )


def _limits(figures: Figures) -> Sheet:
    rows = [
        (cell.system, _thousands(figures, cell), _of(figures, cell, cpu_us, ".2f"))
        for cell in figures.cells("limit")
    ]
    return Sheet("The limits", ("limit", "1,000 events/s", "CPU µs"), rows)


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
