"""Tables and charts of a bench, for a terminal, a document and a script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from bench.comparison import report as reports

_IMAGES = "images"


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


def publish(account: Account, json: Path | None, write: Path | None) -> None:
    """Print it, and put it where it is wanted: a file for scripts, and a part of a document."""
    draw(Console(), account)
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(account.told)) + b"\n")
    if write is not None:
        images = write.parent / _IMAGES
        images.mkdir(exist_ok=True)
        for name, chart in account.charts.items():
            (images / f"{name}.svg").write_text(chart)
        document = write.read_text() if write.exists() else "# Benchmarks\n"
        write.write_text(reports.put(document, account.name, markdown(account)))


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
    texts += [f"![{title(svg)}]({_IMAGES}/{name}.svg)" for name, svg in account.charts.items()]
    for sheet in account.sheets:
        written = [f"| {' | '.join(row)} |" for row in (sheet.head, *sheet.rows)]
        rules = ["---"] * len(sheet.head)
        rules[sheet.numbers] = ["---:"] * len(rules[sheet.numbers])
        written.insert(1, f"|{'|'.join(rules)}|")
        texts.append("\n".join((f"{sheet.title}:", "", *written)))
    return "\n\n".join((*texts, *account.remarks)) + "\n"


def title(svg: str) -> str:
    """Return the title of a chart."""
    return svg.partition("<title>")[2].partition("</title>")[0]
