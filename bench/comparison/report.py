"""What was measured of variants, as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from bench.comparison.results import Line, Run
from bench.report.sheets import Account, Sheet, where
from bench.report.spread import ranged
from bench.watch.machine import Machine


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of one benchmark; `titles` by part, in order; `wanted` ratios by part and variant."""

    machine: Machine
    rounds: int
    events: int
    batch: int
    record_events: int
    titles: dict[str, str]
    wanted: dict[str, dict[str, float]]
    lines: list[Line]
    remarks: list[str]
    runs: list[Run]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a report, and the ratio that is wanted of it."""

    line: Line
    wanted: float | None


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the tables."""

    title: str
    cell: Callable[[Row], str]


@dataclass(frozen=True, slots=True)
class View:
    """The columns of the tables, and a sentence on what they show."""

    columns: Sequence[Column]
    legend: str

    @property
    def head(self) -> tuple[str, ...]:
        """Return the titles."""
        return tuple(column.title for column in self.columns)


RATIO = Column("ratio", lambda row: ranged(row.line.throughput_ratio, ".3f"))
WANTED = Column("wanted", lambda row: f"{row.wanted:.2f}" if row.wanted else "")
CPU = Column("CPU µs", lambda row: f"{row.line.stages_us_per_event.median:.1f}")
CPU_RATIO = Column("ratio", lambda row: f"{row.line.cpu_ratio.median:.3f}")


def account(name: str, report: Report, view: View) -> Account:
    """Tell all of it, with a table for each part."""
    return Account(
        name=name,
        told=report,
        preamble=[*where(report.machine), _method(report, view)],
        sheets=list(_sheets(report, view)),
        remarks=report.remarks,
    )


def _method(report: Report, view: View) -> str:
    return (
        f"{report.events:,} events a run, {report.batch} a request and at most "
        f"{report.record_events} a record; {report.rounds} rounds, interleaved. Medians, with the "
        f"lowest and the highest; ratios are taken round by round. {view.legend}"
    )


def _sheets(report: Report, view: View) -> Iterator[Sheet]:
    for part, title in report.titles.items():
        wanted = report.wanted.get(part, {})
        rows = [Row(line, wanted.get(line.variant)) for line in report.lines if line.part == part]
        if rows:
            cells = [[column.cell(row) for column in view.columns] for row in rows]
            yield Sheet(title, view.head, cells)
