"""Charts as SVG text that needs nothing else: bars in groups, and lines over a number.

Both can be read on a light and on a dark page, and say every value also without their colours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH = 800
_SIDE = 20
_TITLE_BASE = 28
_LEGEND_BASE = 52
_TOP = 72
_BAR_HEIGHT, _GAP = 16, 12
_NAMES_WIDTH, _VALUES_WIDTH = 150, 70
_CHART_HEIGHT, _AXIS_HEIGHT, _LEFT = 300, 52, 70
_LETTER_WIDTH = 7.5
_STEPS_MAX = 6
_DECADES_ALONE_MIN = 3

# The same hues at both brightnesses; more series than these begin again, with a dashed line.
_COLOURS = (
    ("#2a78d6", "#3987e5"),
    ("#d9622b", "#e0783f"),
    ("#1a9a6c", "#27ad7c"),
    ("#8a3fa0", "#b06cc6"),
    ("#a8710a", "#c98a1e"),
    ("#57606a", "#8b949e"),
)
_PAPER, _INK, _QUIET, _GRID = "#ffffff", "#1f2328", "#57606a", "#d8dee4"
_DARK_PAPER, _DARK_INK, _DARK_QUIET, _DARK_GRID = "#0d1117", "#e6edf3", "#9198a1", "#30363d"

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Scale:
    """Where a value stands between two ends of a picture; `begin` may be below or above `end`."""

    lowest: float
    highest: float
    begin: float
    end: float
    is_log: bool = False

    @classmethod
    def over(cls, values: Sequence[float], begin: float, end: float, *, log: bool = False) -> Scale:
        """Make one that holds all values: from 0, or from decade to decade."""
        if log:
            seen = [value for value in values if value > 0] or [1.0]
            low, high = _decade(min(seen), math.floor), _decade(max(seen), math.ceil)
            return cls(low, high if high > low else low * 10, begin, end, is_log=True)
        highest = max([*values, 0.0]) or 1.0
        step = _step(highest)
        return cls(0.0, step * math.ceil(highest / step - 1e-9), begin, end)

    def place(self, value: float) -> float:
        """Return where a value stands; what lies outside stands at an end."""
        kept = min(max(value, self.lowest), self.highest)
        if self.is_log:
            share = math.log(kept / self.lowest) / math.log(self.highest / self.lowest)
        else:
            share = (kept - self.lowest) / (self.highest - self.lowest)
        return self.begin + share * (self.end - self.begin)

    def ticks(self) -> list[float]:
        """Return round values, from the lowest to the highest."""
        if not self.is_log:
            step = _step(self.highest)
            return [step * number for number in range(round(self.highest / step) + 1)]
        decades = round(math.log10(self.highest / self.lowest))
        between = (1, 2, 5) if decades < _DECADES_ALONE_MIN else (1,)
        found = [self.lowest * 10**n * part for n in range(decades) for part in between]
        return [*found, self.highest]


def bars(
    title: str, unit: str, groups: Mapping[str, Mapping[str, float]], *, log: bool = False
) -> str:
    """Draw a bar for each value: group by group, `{group: {series: value}}`, in their order."""
    series = list(dict.fromkeys(name for group in groups.values() for name in group))
    values = [value for group in groups.values() for value in group.values()]
    left, right = _SIDE + _NAMES_WIDTH, _WIDTH - _SIDE - _VALUES_WIDTH
    scale = Scale.over(values, left, right, log=log)
    bottom = _TOP + sum(len(group) * _BAR_HEIGHT + _GAP for group in groups.values())
    drawn = [*_legend(series), *_upright(scale, _TOP, bottom)]
    top = _TOP + _GAP / 2
    for name, group in groups.items():
        middle = top + len(group) * _BAR_HEIGHT / 2 + 4.5
        drawn.append(_text(left - 10, middle, name, "end"))
        for one, value in group.items():
            drawn += _bar(scale, top, series.index(one), f"{name}, {one}", value)
            top += _BAR_HEIGHT
        top += _GAP
    drawn.append(_text((left + right) / 2, bottom + 38, _axis(unit, log), "middle", "quiet"))
    return _picture(title, bottom + _AXIS_HEIGHT, drawn)


def lines(
    title: str,
    x_label: str,
    y_label: str,
    series: Mapping[str, Sequence[Point]],
    *,
    log_x: bool = False,
    log_y: bool = False,
) -> str:
    """Draw a line for each series, `{series: [(x, y), ...]}`, with its points in their order."""
    points = [point for each in series.values() for point in each]
    # Half of the last tick's text stands beyond the axis.
    left, right, bottom = _SIDE + _LEFT, _WIDTH - 2 * _SIDE, _TOP + _CHART_HEIGHT
    across = Scale.over([x for x, _ in points], left, right, log=log_x)
    up = Scale.over([y for _, y in points], bottom, _TOP, log=log_y)
    drawn = [*_legend(list(series)), *_upright(across, _TOP, bottom), *_level(up, left, right)]
    for number, (name, each) in enumerate(series.items()):
        drawn += _line(across, up, number, name, each)
    middle = (_TOP + bottom) / 2
    turned = f'transform="translate({_SIDE} {middle}) rotate(-90)" text-anchor="middle"'
    drawn.append(f'<text class="quiet" {turned}>{escape(_axis(y_label, log_y))}</text>')
    across_name = _axis(x_label, log_x)
    drawn.append(_text((left + right) / 2, bottom + 38, across_name, "middle", "quiet"))
    return _picture(title, bottom + _AXIS_HEIGHT, drawn)


def short(value: float) -> str:
    """Write a number as briefly as its size allows: 0.25, 7.5, 820, 71.3k, 2M."""
    size = abs(value)
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if size >= unit:
            return f"{_digits(value / unit)}{name}"
    return _digits(value)


def _digits(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _bar(scale: Scale, top: float, number: int, name: str, value: float) -> Iterator[str]:
    width = max(scale.place(value) - scale.begin, 1.0)
    yield (
        f'<rect class="f{number % len(_COLOURS)}" x="{scale.begin:.1f}" y="{top + 1:.1f}" '
        f'width="{width:.1f}" height="{_BAR_HEIGHT - 2}" rx="2">'
        f"<title>{escape(name)}: {value:,.6g}</title></rect>"
    )
    yield _text(scale.begin + width + 6, top + 12.5, short(value))


def _line(
    across: Scale, up: Scale, number: int, name: str, points: Sequence[Point]
) -> Iterator[str]:
    placed = [(across.place(x), up.place(y)) for x, y in points]
    colour = number % len(_COLOURS)
    dashes = ' stroke-dasharray="6 4"' if number >= len(_COLOURS) else ""
    way = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
    yield f'<polyline class="s{colour}"{dashes} points="{way}"/>'
    for (x, y), (left, top) in zip(points, placed, strict=True):
        yield (
            f'<circle class="f{colour}" cx="{left:.1f}" cy="{top:.1f}" r="3.5">'
            f"<title>{escape(name)}: {x:,.6g}, {y:,.6g}</title></circle>"
        )


def _legend(series: Sequence[str]) -> Iterator[str]:
    left = float(_SIDE)
    for number, name in enumerate(series):
        place = f'x="{left:.1f}" y="{_LEGEND_BASE - 10}" width="12" height="12" rx="2"'
        yield f'<rect class="f{number % len(_COLOURS)}" {place}/>'
        yield _text(left + 18, _LEGEND_BASE, name)
        left += 18 + len(name) * _LETTER_WIDTH + 18


def _upright(scale: Scale, top: float, bottom: float) -> Iterator[str]:
    for tick in scale.ticks():
        x = scale.place(tick)
        yield f'<line class="grid" x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}"/>'
        yield _text(x, bottom + 18, short(tick), "middle", "quiet")


def _level(scale: Scale, left: float, right: float) -> Iterator[str]:
    for tick in scale.ticks():
        y = scale.place(tick)
        yield f'<line class="grid" x1="{left}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>'
        yield _text(left - 8, y + 4.5, short(tick), "end", "quiet")


def _axis(label: str, log: bool) -> str:
    return f"{label} (logarithmic)" if log else label


def _text(x: float, y: float, text: str, anchor: str = "start", kind: str = "") -> str:
    style = f' class="{kind}"' if kind else ""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f"<text{style} {place}>{escape(text)}</text>"


def _picture(title: str, height: float, drawn: Sequence[str]) -> str:
    size = f'viewBox="0 0 {_WIDTH} {height:g}"'
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{_style()}</style>",
            f'<rect class="paper" width="{_WIDTH}" height="{height:g}" rx="8"/>',
            _text(_SIDE, _TITLE_BASE, title, kind="title"),
            *drawn,
            "</svg>\n",
        )
    )


def _style() -> str:
    light = _themed(_PAPER, _INK, _QUIET, _GRID) + _coloured(0)
    dark = _themed(_DARK_PAPER, _DARK_INK, _DARK_QUIET, _DARK_GRID) + _coloured(1)
    return (
        "text{font:13px system-ui,sans-serif}.title{font-weight:600}polyline{fill:none;"
        f"stroke-width:2}}{light}@media(prefers-color-scheme:dark){{{dark}}}"
    )


def _themed(paper: str, ink: str, quiet: str, grid: str) -> str:
    return f".paper{{fill:{paper}}}text{{fill:{ink}}}.quiet{{fill:{quiet}}}.grid{{stroke:{grid}}}"


def _coloured(theme: int) -> str:
    return "".join(
        f".f{number}{{fill:{pair[theme]}}}.s{number}{{stroke:{pair[theme]}}}"
        for number, pair in enumerate(_COLOURS)
    )


def _decade(value: float, rounded: Callable[[float], int]) -> float:
    return 10.0 ** rounded(math.log10(value))


def _step(highest: float) -> float:
    """Return the smallest step of 1, 2 or 5 times a power of ten that needs few of them."""
    least = highest / _STEPS_MAX
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * part for part in (1, 2, 5, 10) if power * part >= least * (1 - 1e-9))
