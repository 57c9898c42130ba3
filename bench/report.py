"""The results for a terminal, for a document, and for a script."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec
from rich.console import Console
from rich.table import Table

from bench.machine import Machine
from bench.results import Line, Run, Spread

_HEAD = ("tracing", "1,000 events/s", "ratio", "wanted", "CPU µs", "ratio", "Jaeger")


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
    runs: list[Run]


def draw(console: Console, report: Report) -> None:
    """Print how it was measured, and a table for each part."""
    for text in preamble(report):
        console.print(text, highlight=False)
    for title, cells in _tables(report):
        table = Table(*_HEAD, box=None, padding=(0, 1, 0, 0), pad_edge=False)
        for column in table.columns[1:]:
            column.justify = "right"
        for row in cells:
            table.add_row(*row)
        console.print(f"\n{title}", highlight=False)
        console.print(table)
    for text in losses(report):
        console.print(f"\n{text}", highlight=False)


def markdown(report: Report) -> str:
    """Write the same as a part of a document."""
    texts = ["\n".join(preamble(report))]
    for title, cells in _tables(report):
        written = [f"| {' | '.join(row)} |" for row in (_HEAD, *cells)]
        written.insert(1, "|---|" + "---:|" * (len(_HEAD) - 1))
        texts.append("\n".join((f"{title}:", "", *written)))
    return "\n\n".join((*texts, *losses(report))) + "\n"


def preamble(report: Report) -> Iterator[str]:
    """Say where, when and how it was measured."""
    machine = report.machine
    yield (
        f"{machine.date}, commit {machine.commit}: {machine.cores} cores of {machine.processor}, "
        f"{machine.memory_gib} GiB, {machine.system}, load average {machine.load_average} before."
    )
    yield ", ".join(f"{name} {number}" for name, number in machine.versions.items()) + "."
    yield (
        f"{report.events:,} events a run, {report.batch} a request and at most "
        f"{report.record_events} a record; {report.rounds} rounds, interleaved. Medians, with the "
        "lowest and the highest; ratios are taken round by round. CPU is that of the stages for "
        "one event, and beside it Jaeger's."
    )


def losses(report: Report) -> Iterator[str]:
    """Say which numbers are of less than all spans."""
    for line in report.lines:
        if line.spans_lost:
            sent = line.spans_exported + line.spans_lost
            yield f"{line.variant}, {line.part}: {line.spans_lost:,} of {sent:,} spans were lost."


def put(document: str, name: str, section: str) -> str:
    """Put a section between its two marks in a document, or at the end with new marks."""
    begin, end = f"<!-- {name}: written by the bench -->", f"<!-- {name}: end -->"
    marked = f"{begin}\n\n{section.strip()}\n\n{end}"
    found = re.compile(f"{re.escape(begin)}.*{re.escape(end)}", re.DOTALL)
    if found.search(document):
        return found.sub(lambda _match: marked, document)
    return f"{document.rstrip()}\n\n{marked}\n"


def _tables(report: Report) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    for part, title in report.titles.items():
        lines = [line for line in report.lines if line.part == part]
        wanted = report.wanted.get(part, {})
        if lines:
            yield title, [_cells(line, wanted.get(line.variant)) for line in lines]


def _cells(line: Line, wanted: float | None) -> tuple[str, ...]:
    return (
        line.variant,
        _ranged(line.events_per_s, ".1f", 1e3),
        _ranged(line.throughput_ratio, ".3f"),
        f"{wanted:.2f}" if wanted else "",
        f"{line.stages_us_per_event.median:.1f}",
        f"{line.cpu_ratio.median:.3f}",
        f"{line.jaeger_us_per_event.median:.1f}",
    )


def _ranged(spread: Spread, form: str, unit: float = 1) -> str:
    median, lowest, highest = (
        format(value / unit, form) for value in (spread.median, spread.lowest, spread.highest)
    )
    return median if lowest == highest else f"{median} ({lowest}-{highest})"
