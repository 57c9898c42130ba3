"""The waterfall as text: one line a span, and the shares below."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tools.trace.jaeger import Trace
from tools.trace.layout import Row, Share, lasted, rows, shares

_COLOURS = {
    "pipeline": "white",
    "ingest": "cyan",
    "normalize": "green",
    "decorate": "yellow",
    "sink": "magenta",
}
_OTHER_COLOUR = "blue"
_NAME_CHARS = 34
_TIME_CHARS = 15
_BAR_CHARS_MIN = 20
# Eighths of a cell.
_PARTS = " ▏▎▍▌▋▊▉█"
SHARES_SHOWN_FROM = 0.005


def draw(console: Console, trace: Trace, link: str) -> None:
    """Print one trace."""
    root = trace.root
    console.print(f"[bold]{trace.id}[/bold]  {milliseconds(lasted(trace))}")
    if root is None:
        console.print("The request has not reached the glass: the trace has no root.")
    bar_chars = max(console.width - _NAME_CHARS - 11 - _TIME_CHARS - 4, _BAR_CHARS_MIN)
    table = Table.grid(padding=(0, 1))
    table.add_column(width=9, no_wrap=True)
    table.add_column(width=_NAME_CHARS, no_wrap=True)
    table.add_column(width=bar_chars, no_wrap=True)
    table.add_column(justify="right", width=_TIME_CHARS, no_wrap=True)
    for row in rows(trace):
        table.add_row(*_cells(row, lasted(trace), bar_chars))
    console.print(table)
    console.print("\nWhere the time went")
    console.print(_share_table(shares(trace)))
    console.print(f"\n{link}", soft_wrap=True)


def milliseconds(duration_us: int) -> str:
    """Write a duration to the microsecond."""
    return f"{duration_us / 1000:,.3f} ms"


def bar(offset_us: int, duration_us: int, whole_us: int, chars: int) -> str:
    """Draw a span as part of the whole; even the shortest leaves a mark."""
    left = min(int(offset_us / max(whole_us, 1) * chars), chars - 1)
    cells = duration_us / max(whole_us, 1) * chars
    whole_cells = min(int(cells), chars - left)
    rest = _PARTS[int((cells - int(cells)) * 8)] if left + whole_cells < chars else ""
    drawn = ("█" * whole_cells + rest).rstrip() or "▏"
    return " " * left + drawn


def _cells(row: Row, whole_us: int, bar_chars: int) -> tuple[Text, Text, Text, Text]:
    span = row.span
    colour = "red" if span.is_failed else _COLOURS.get(span.service, _OTHER_COLOUR)
    drawn = bar(row.offset_us, span.duration_us, whole_us, bar_chars)
    return (
        Text(span.service, style=colour),
        Text("  " * row.depth + span.name + (" (failed)" if span.is_failed else "")),
        Text(drawn, style=colour),
        Text(milliseconds(span.duration_us)),
    )


def _share_table(found: list[Share]) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(width=9)
    table.add_column(width=_NAME_CHARS)
    table.add_column(justify="right", width=6)
    table.add_column(justify="right", width=_TIME_CHARS)
    for share in found:
        if share.part >= SHARES_SHOWN_FROM:
            colour = _COLOURS.get(share.service, _OTHER_COLOUR)
            part = f"{share.part:.0%}"
            table.add_row(
                Text(share.service, style=colour), share.name, part, milliseconds(share.duration_us)
            )
    return table
