"""The front as a chart: SVG whose colours are the page's, and whose points are links."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from bench.tune.front import Point

_WIDTH, _HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 20, 16, 52
_RADIUS = 6.0
_TICKS_MAX = 6
# Beyond the outermost points, as a part of the way between them.
_MARGIN = 0.08


@dataclass(frozen=True, slots=True)
class Axis:
    """What is drawn along one side."""

    title: str
    value: Callable[[Point], float]
    form: str
    is_log: bool = False


P99 = Axis("p99 time to glass (ms)", lambda point: point.p99_ms.median, ",.0f", is_log=True)
CPU = Axis("CPU of the stages (µs an event)", lambda point: point.cpu_us.median, ",.0f")
STORED = Axis("events stored a second", lambda point: point.stored.median, ",.0f")


@dataclass(frozen=True, slots=True)
class _Scale:
    low: float
    high: float
    is_log: bool

    def part(self, value: float) -> float:
        low, high, at = (self._bent(one) for one in (self.low, self.high, value))
        return (at - low) / (high - low)

    def _bent(self, value: float) -> float:
        return math.log10(value) if self.is_log else value


def scatter(
    points: Sequence[Point], best: Sequence[Point], link: Callable[[Point], str], y: Axis = CPU
) -> str:
    """Draw points over their p99; the front is joined and numbered, the defaults are a square."""
    # What is drawn last is on top.
    ordered = sorted(points, key=lambda point: (point in best, not point.changes))
    x_scale, y_scale = _scale(points, P99), _scale(points, y)

    def place(point: Point) -> tuple[float, float]:
        return _x(x_scale.part(P99.value(point))), _y(y_scale.part(y.value(point)))

    named = f"{y.title} over {P99.title}"
    return "\n".join(
        (
            f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
            f'aria-label="{escape(named)}">',
            *_grid(x_scale, y_scale, y),
            *_line([place(point) for point in best]),
            *(_mark(point, place(point), point in best, link(point)) for point in ordered),
            *(_label(place(point), number) for number, point in enumerate(best, start=1)),
            "</svg>",
        )
    )


def ticks(low: float, high: float, *, is_log: bool = False) -> list[float]:
    """Return round numbers from `low` to `high`, ascending."""
    if is_log and high / low > 8:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        found = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
        return [one for one in found if low <= one <= high]
    rough = (high - low) / _TICKS_MAX
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return [step * n for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _scale(points: Sequence[Point], axis: Axis) -> _Scale:
    values = [axis.value(point) for point in points]
    low, high = min(values), max(values)
    if axis.is_log:
        low = max(low, 0.1)
        grown = max(high / low, 1.2) ** _MARGIN
        return _Scale(low / grown, max(high, low * 1.2) * grown, is_log=True)
    room = max(high - low, high * 0.1, 1e-6) * _MARGIN
    return _Scale(max(low - room, 0.0), high + room, is_log=False)


def _x(part: float) -> float:
    return _LEFT + part * (_WIDTH - _LEFT - _RIGHT)


def _y(part: float) -> float:
    return _HEIGHT - _BOTTOM - part * (_HEIGHT - _BOTTOM - _TOP)


def _grid(x_scale: _Scale, y_scale: _Scale, y: Axis) -> Iterator[str]:
    bottom = _y(0)
    for value in ticks(x_scale.low, x_scale.high, is_log=x_scale.is_log):
        at = _x(x_scale.part(value))
        yield f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP}" y2="{bottom}"/>'
        yield (
            f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">'
            f"{_number(value, P99.form)}</text>"
        )
    for value in ticks(y_scale.low, y_scale.high):
        at = _y(y_scale.part(value))
        yield (
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
        )
        yield (
            f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">'
            f"{_number(value, y.form)}</text>"
        )
    yield (
        f'<text class="title" x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 10}" '
        f'text-anchor="middle">{P99.title}</text>'
    )
    middle = (_TOP + bottom) / 2
    yield (
        f'<text class="title" transform="translate(16 {middle}) rotate(-90)" '
        f'text-anchor="middle">{escape(y.title)}</text>'
    )


def _number(value: float, form: str) -> str:
    written = format(value, form)
    return written if float(written.replace(",", "")) == value else f"{value:,g}"


def _line(places: Sequence[tuple[float, float]]) -> Iterator[str]:
    if len(places) > 1:
        through = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        yield f'<polyline class="front" points="{through}"/>'


def _mark(point: Point, place: tuple[float, float], is_best: bool, href: str) -> str:
    x, y = place
    kind = "best" if is_best else "rest"
    shape = f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{_RADIUS}"/>'
    if not point.changes:
        half = _RADIUS + 1
        shape = (
            f'<rect class="{kind} defaults" x="{x - half:.1f}" y="{y - half:.1f}" '
            f'width="{2 * half}" height="{2 * half}"/>'
        )
    said = (
        f"{point.title}: p99 {point.p99_ms.median:,.1f} ms, {point.cpu_us.median:.1f} µs, "
        f"{point.stored.median:,.0f} events/s, {point.times} trial{'s' if point.times > 1 else ''}"
    )
    # A finger needs more room than an eye.
    touch = f'<circle class="touch" cx="{x:.1f}" cy="{y:.1f}" r="{2 * _RADIUS}"/>'
    return f'<a href="{escape(href)}"><title>{escape(said)}</title>{touch}{shape}</a>'


def _label(place: tuple[float, float], number: int) -> str:
    x, y = place
    return f'<text class="title" x="{x + _RADIUS + 4:.1f}" y="{y - _RADIUS:.1f}">{number}</text>'
