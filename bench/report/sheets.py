"""What a bench has to tell: tables and charts, as text for a terminal and for a document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from rich.console import Console
from rich.table import Table

from bench.watch.machine import Machine

# Beside the document.
IMAGES = "images"


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table; the first columns are `words`, and so is the last if it `ends_in_words`."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1
    ends_in_words: bool = False

    @property
    def numbers(self) -> slice:
        """Which columns are numbers."""
        return slice(self.words, len(self.head) - self.ends_in_words)


@dataclass(frozen=True, slots=True)
class Account:
    """What one bench has to tell; charts are SVG by the name of their file, in order.

    `told` is all of it, for a script.
    """

    name: str
    told: msgspec.Struct
    preamble: Sequence[str]
    sheets: Sequence[Sheet]
    remarks: Sequence[str] = ()
    charts: Mapping[str, str] = field(default_factory=dict[str, str])


def draw(console: Console, account: Account) -> None:
    """Print it."""
    for text in account.preamble:
        console.print(text, highlight=False)
    for sheet in account.sheets:
        table = Table(*sheet.head, box=None, padding=(0, 1, 0, 0), pad_edge=False)
        for column in table.columns[sheet.numbers]:
            column.justify = "right"
        for row in sheet.rows:
            table.add_row(*row)
        console.print(f"\n{sheet.title}", highlight=False)
        console.print(table)
    for text in account.remarks:
        console.print(f"\n{text}", highlight=False)


def markdown(account: Account) -> str:
    """Write it as a part of a document, which has the charts in a folder beside it."""
    texts = ["\n".join(account.preamble)]
    texts += [f"![{title(svg)}]({IMAGES}/{name}.svg)" for name, svg in account.charts.items()]
    texts += [f"{sheet.title}:\n\n{grid(sheet)}" for sheet in account.sheets]
    return "\n\n".join((*texts, *account.remarks)) + "\n"


def grid(sheet: Sheet) -> str:
    """Write a table without its title for a document."""
    written = [f"| {' | '.join(row)} |" for row in (sheet.head, *sheet.rows)]
    rules = ["---"] * len(sheet.head)
    rules[sheet.numbers] = ["---:"] * len(rules[sheet.numbers])
    written.insert(1, f"|{'|'.join(rules)}|")
    return "\n".join(written)


def title(svg: str) -> str:
    """Return the title of a chart."""
    return svg.partition("<title>")[2].partition("</title>")[0]


def where(machine: Machine) -> Iterator[str]:
    """Say where, when and with what it was measured."""
    yield (
        f"{machine.date}, commit {machine.commit}: {machine.cores} cores of {machine.processor}, "
        f"{machine.memory_gib} GiB, {machine.system}, load average {machine.load_average} before."
    )
    yield ", ".join(f"{name} {number}" for name, number in machine.versions.items()) + "."
