"""The results for a terminal, for a document, and for a script."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec
from rich.console import Console
from rich.table import Table

from bench.comparison.results import Line, Run, Spread
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


def draw(console: Console, report: Report, view: View) -> None:
    """Print how it was measured, and a table for each part."""
    for text in preamble(report, view):
        console.print(text, highlight=False)
    for title, cells in _tables(report, view):
        table = Table(*view.head, box=None, padding=(0, 1, 0, 0), pad_edge=False)
        for column in table.columns[1:]:
            column.justify = "right"
        for row in cells:
            table.add_row(*row)
        console.print(f"\n{title}", highlight=False)
        console.print(table)
    for text in report.remarks:
        console.print(f"\n{text}", highlight=False)


def markdown(report: Report, view: View) -> str:
    """Write the same as a part of a document."""
    texts = ["\n".join(preamble(report, view))]
    for title, cells in _tables(report, view):
        written = [f"| {' | '.join(row)} |" for row in (view.head, *cells)]
        written.insert(1, "|---|" + "---:|" * (len(view.head) - 1))
        texts.append("\n".join((f"{title}:", "", *written)))
    return "\n\n".join((*texts, *report.remarks)) + "\n"


def preamble(report: Report, view: View) -> Iterator[str]:
    """Say where, when and how it was measured."""
    yield from where(report.machine)
    yield (
        f"{report.events:,} events a run, {report.batch} a request and at most "
        f"{report.record_events} a record; {report.rounds} rounds, interleaved. Medians, with the "
        f"lowest and the highest; ratios are taken round by round. {view.legend}"
    )


def where(machine: Machine) -> Iterator[str]:
    """Say where, when and with what it was measured."""
    yield (
        f"{machine.date}, commit {machine.commit}: {machine.cores} cores of {machine.processor}, "
        f"{machine.memory_gib} GiB, {machine.system}, load average {machine.load_average} before."
    )
    yield ", ".join(f"{name} {number}" for name, number in machine.versions.items()) + "."


def put(document: str, name: str, section: str) -> str:
    """Put a section between its two marks in a document, or at the end with new marks."""
    begin, end = f"<!-- {name}: written by the bench -->", f"<!-- {name}: end -->"
    marked = f"{begin}\n\n{section.strip()}\n\n{end}"
    found = re.compile(f"{re.escape(begin)}.*{re.escape(end)}", re.DOTALL)
    if found.search(document):
        return found.sub(lambda _match: marked, document)
    return f"{document.rstrip()}\n\n{marked}\n"


def ranged(spread: Spread, form: str, unit: float = 1) -> str:
    """Write the median, and the lowest and the highest if they differ."""
    median, lowest, highest = (
        format(value / unit, form) for value in (spread.median, spread.lowest, spread.highest)
    )
    return median if lowest == highest else f"{median} ({lowest}-{highest})"


def _tables(report: Report, view: View) -> Iterator[tuple[str, list[list[str]]]]:
    for part, title in report.titles.items():
        wanted = report.wanted.get(part, {})
        rows = [Row(line, wanted.get(line.variant)) for line in report.lines if line.part == part]
        if rows:
            yield title, [[column.cell(row) for column in view.columns] for row in rows]
