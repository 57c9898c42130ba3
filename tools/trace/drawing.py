"""The waterfall as text: one line a span with its part in the critical path, and the sums below."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from libs.tracing import names
from tools.trace import critical, spent
from tools.trace.critical import KINDS, Section
from tools.trace.jaeger import Span, Trace
from tools.trace.layout import Row, lasted, rows
from tools.trace.spent import Spent

_COLOURS = {
    "pipeline": "white",
    "ingest": "cyan",
    "normalize": "green",
    "decorate": "yellow",
    "sink": "magenta",
}
_OTHER_COLOUR = "blue"
_FAILED_COLOUR = "red"
_SERVICE_CHARS = 9
_NAME_CHARS_MAX = 34
_BAR_CHARS_MIN = 20
# Past this a waterfall is no picture any more, as that of a request in many parts.
_ROWS_MAX = 30
# Eighths of a cell.
_PARTS = " ▏▎▍▌▋▊▉█"
_BESIDE = "━"
# Of the time of a cell: less of it on the critical path could not be told from none.
_MARKED_FROM = 1 / 3
_PARTS_SHOWN_FROM_US = 50


def draw(console: Console, trace: Trace, link: str) -> None:
    """Print one trace."""
    path = critical.path(trace)
    for line in _heading(trace):
        console.print(line, soft_wrap=True)
    laid = rows(trace)
    shown = laid if len(laid) <= _ROWS_MAX else _on_the_path(laid, path)
    console.print(_waterfall(trace, shown, path, console.width))
    console.print(_legend(len(laid) - len(shown)), style="dim")
    if summed := spent.by_stage(path):
        console.print(f"\nWhere the time went: {_kinds(summed)}")
        console.print(_spent_table(summed))
    console.print(f"\n{link}", soft_wrap=True)


def milliseconds(duration_us: int) -> str:
    """Write a duration to the microsecond."""
    return f"{duration_us / 1000:,.3f} ms"


def colour(service: str) -> str:
    """Give the colour of a service."""
    return _COLOURS.get(service, _OTHER_COLOUR)


def bar(offset_us: int, duration_us: int, whole_us: int, chars: int) -> str:
    """Draw a span as part of the whole; even the shortest leaves a mark."""
    left = min(int(offset_us / max(whole_us, 1) * chars), chars - 1)
    cells = duration_us / max(whole_us, 1) * chars
    whole_cells = min(int(cells), chars - left)
    rest = _PARTS[int((cells - int(cells)) * 8)] if left + whole_cells < chars else ""
    drawn = ("█" * whole_cells + rest).rstrip() or "▏"
    return " " * left + drawn


def marked(drawn: str, span: Span, path: Sequence[Section]) -> str:
    """Thin a bar out where its span is beside the critical path; `path` is of this span only."""
    bare = drawn.lstrip()
    cell_us = span.duration_us / len(bare)
    begun_us = [span.start_us + place * cell_us for place in range(len(bare))]
    cells = [
        cell if _on_path_us(path, at_us, at_us + cell_us) > cell_us * _MARKED_FROM else _BESIDE
        for cell, at_us in zip(bare, begun_us, strict=True)
    ]
    return " " * (len(drawn) - len(bare)) + "".join(cells)


def _on_path_us(path: Sequence[Section], from_us: float, to_us: float) -> float:
    return sum(max(min(one.end_us, to_us) - max(one.start_us, from_us), 0) for one in path)


def _heading(trace: Trace) -> Iterator[Text]:
    began_us, ended_us = critical.extent(trace)
    line = Text.assemble((trace.id, "bold"), "  ", (milliseconds(ended_us - began_us), "bold"))
    root = trace.root
    if root is None:
        yield line
        yield Text("The request has not reached the glass: the trace has no root.", style="red")
        return
    if events := root.attributes.get(names.REQUEST_EVENTS):
        line.append(f"  {events:,} event{'' if events == 1 else 's'}")
    if root.attributes.get(names.RETRO):
        line.append(", told afterwards")
    yield line
    if root.is_failed:
        yield Text(f"Failed: {_why(root)}", style=_FAILED_COLOUR)


def _why(root: Span) -> str:
    given = (names.DEAD_LETTER_REASON, "otel.status_description", names.ERROR_TYPE)
    return next((str(root.attributes[key]) for key in given if key in root.attributes), "unknown")


def _on_the_path(laid: Sequence[Row], path: Iterable[Section]) -> list[Row]:
    """Keep the rows of the critical path, and those that they hang on."""
    parents = {row.span.id: row.span.parent_id for row in laid}
    kept: set[str] = set()
    for section in path:
        span_id = section.span_id
        while span_id in parents and span_id not in kept:
            kept.add(span_id)
            span_id = parents[span_id]
    return [row for row in laid if row.span.id in kept]


def _waterfall(trace: Trace, laid: Sequence[Row], path: Sequence[Section], width: int) -> Table:
    whole_us = lasted(trace)
    indent = 2 if _name_chars(laid, 2) <= _NAME_CHARS_MAX else 1
    name_chars = min(_name_chars(laid, indent), _NAME_CHARS_MAX)
    time_chars = len(milliseconds(whole_us))
    bar_chars = max(width - _SERVICE_CHARS - name_chars - time_chars - 3, _BAR_CHARS_MIN)
    table = Table.grid(padding=(0, 1))
    table.add_column(width=_SERVICE_CHARS, no_wrap=True)
    table.add_column(width=name_chars, no_wrap=True)
    table.add_column(width=bar_chars, no_wrap=True)
    table.add_column(justify="right", width=time_chars, no_wrap=True)
    for row in laid:
        own = [section for section in path if section.span_id == row.span.id]
        drawn = bar(row.offset_us, row.span.duration_us, whole_us, bar_chars)
        table.add_row(*_cells(row, indent, marked(drawn, row.span, own)))
    return table


def _cells(row: Row, indent: int, drawn: str) -> tuple[Text, Text, Text, Text]:
    span = row.span
    style = _FAILED_COLOUR if span.is_failed else colour(span.service)
    return (
        Text(span.service, style=style),
        Text(" " * indent * row.depth + _name(span)),
        Text(drawn, style=style),
        Text(milliseconds(span.duration_us)),
    )


def _name(span: Span) -> str:
    return span.name + (" (failed)" if span.is_failed else "")


def _name_chars(laid: Sequence[Row], indent: int) -> int:
    return max((indent * row.depth + len(_name(row.span)) for row in laid), default=0)


def _legend(hidden: int) -> str:
    legend = f"█ on the critical path  {_BESIDE} beside it"
    return f"{legend}; {hidden} more spans beside it are left out" if hidden else legend


def _kinds(summed: Sequence[Spent]) -> str:
    whole_us = sum(one.duration_us for one in summed)
    durations_us = {kind: sum(s.duration_us for s in summed if s.kind == kind) for kind in KINDS}
    largest = sorted(KINDS, key=lambda kind: -durations_us[kind])
    return ", ".join(
        f"{kind} {durations_us[kind] / whole_us:.0%}" for kind in largest if durations_us[kind]
    )


def _spent_table(summed: Sequence[Spent]) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column()
    table.add_column()
    table.add_column(justify="right", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    whole_us, largest = sum(one.duration_us for one in summed), spent.most(summed)
    for kind, group in groupby(summed, key=lambda one: one.kind):
        for place, one in enumerate(group):
            table.add_row(
                kind if place == 0 else "",
                Text(one.stage, style=colour(one.stage)),
                milliseconds(one.duration_us),
                _share(one.duration_us / whole_us),
                Text(_parts(one), style="dim"),
                style="bold" if one is largest else "",
            )
    table.add_row("all", "", milliseconds(whole_us), "100%", "")
    return table


def _share(part: float) -> str:
    return f"{part:.0%}" if part >= 0.005 else "<1%"


def _parts(one: Spent) -> str:
    parts = [
        f"{part} {duration_us / 1000:,.1f}"
        for part, duration_us in one.parts.items()
        if duration_us >= _PARTS_SHOWN_FROM_US
    ]
    return ", ".join(parts) if len(one.parts) > 1 else ""
