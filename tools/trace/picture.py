"""The waterfall as a picture: one SVG that needs nothing else, for a page or a ticket."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from tools.trace import critical
from tools.trace.critical import Section
from tools.trace.drawing import milliseconds
from tools.trace.jaeger import Trace
from tools.trace.layout import Row, lasted, rows

_COLOURS = {
    "pipeline": "#57606a",
    "ingest": "#0a7ea4",
    "normalize": "#2a7f3f",
    "decorate": "#a8710a",
    "sink": "#8a3fa0",
}
_OTHER_COLOUR = "#3b5bdb"
_FAILED_COLOUR = "#c92a2a"

_WIDTH = 1_000
_TOP, _BOTTOM, _SIDE = 44, 12, 16
_ROW_HEIGHT = 22
_SERVICE_WIDTH = 82
_NAME_WIDTH = 230
_TIME_WIDTH = 84
_INDENT = 14
_BARS_LEFT = _SIDE + _SERVICE_WIDTH + _NAME_WIDTH
_BARS_WIDTH = _WIDTH - _BARS_LEFT - _TIME_WIDTH - _SIDE
# A shorter bar could not be seen.
_BAR_WIDTH_MIN = 1.5
# Of what is beside the critical path.
_PALE = ' opacity="0.35"'

_STYLE = (
    "text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#1f2328}"
    ".title{font-weight:600}.quiet{fill:#57606a}"
)


def svg(trace: Trace) -> str:
    """Draw one trace: a row a span, as long as its time in the whole."""
    laid, path = rows(trace), critical.path(trace)
    height = _TOP + len(laid) * _ROW_HEIGHT + _BOTTOM
    title = f"{milliseconds(lasted(trace))} from the head of a request to its rows"
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
            f"<title>Trace {escape(trace.id)}</title>",
            f"<style>{_STYLE}</style>",
            f'<rect width="{_WIDTH}" height="{height}" rx="8" fill="#ffffff"/>',
            f'<text class="title" x="{_SIDE}" y="26">{title if trace.root else "No root"}</text>',
            f'<text class="quiet" x="{_WIDTH - _SIDE}" y="26" text-anchor="end">'
            f"{escape(trace.id)}</text>",
            *(
                line
                for place, row in enumerate(laid)
                for line in _row(row, path, lasted(trace), _TOP + place * _ROW_HEIGHT)
            ),
            "</svg>\n",
        )
    )


def _row(row: Row, path: list[Section], whole_us: int, top: int) -> Iterator[str]:
    span = row.span
    colour = _FAILED_COLOUR if span.is_failed else _COLOURS.get(span.service, _OTHER_COLOUR)
    base = top + 15
    name_left = _SIDE + _SERVICE_WIDTH + row.depth * _INDENT
    yield f'<text x="{_SIDE}" y="{base}" style="fill:{colour}">{escape(span.service)}</text>'
    yield f'<text x="{name_left}" y="{base}">{escape(span.name)}</text>'
    place = f'y="{top + 5}" height="12" rx="2" fill="{colour}"'
    yield f"<rect {_bar(row.offset_us, span.duration_us, whole_us)} {place}{_PALE}/>"
    for section in path:
        if section.span_id == span.id:
            offset_us = row.offset_us + section.start_us - span.start_us
            yield f"<rect {_bar(offset_us, section.duration_us, whole_us)} {place}/>"
    yield (
        f'<text class="quiet" x="{_WIDTH - _SIDE}" y="{base}" text-anchor="end">'
        f"{milliseconds(span.duration_us)}</text>"
    )


def _bar(offset_us: int, duration_us: int, whole_us: int) -> str:
    left = _BARS_LEFT + offset_us / max(whole_us, 1) * _BARS_WIDTH
    width = max(duration_us / max(whole_us, 1) * _BARS_WIDTH, _BAR_WIDTH_MIN)
    return f'x="{left:.1f}" width="{width:.1f}"'
