"""Charts: where values stand, what is written beside them, and that it is an SVG."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from bench.report import charts
from bench.report.charts import Scale

GROUPS = {"blog": {"1 %": 1_000.0, "100 %": 100.0}, "ours": {"1 %": 100_000.0, "100 %": 10_000.0}}
SVG = "{http://www.w3.org/2000/svg}"


def marks(picture: str, kind: str) -> dict[str, ElementTree.Element]:
    """The marks of values, by what they say when pointed at."""
    root = ElementTree.fromstring(picture)  # noqa: S314 - written just now.
    found = {mark.findtext(f"{SVG}title"): mark for mark in root.iter(f"{SVG}{kind}")}
    return {name: mark for name, mark in found.items() if name}


def widths(picture: str) -> dict[str, float]:
    return {name: float(mark.get("width", 0)) for name, mark in marks(picture, "rect").items()}


def texts(picture: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", picture)


def test_bars_are_as_long_as_their_values() -> None:
    found = widths(charts.bars("Throughput", "events/s", {"a": {"x": 25.0}, "b": {"x": 100.0}}))

    assert found["b, x: 100"] == pytest.approx(4 * found["a, x: 25"], rel=0.01)


def test_on_a_logarithmic_scale_each_factor_of_ten_is_as_long() -> None:
    found = widths(charts.bars("Throughput", "events/s", GROUPS, log=True))

    steps = [
        found["blog, 1 %: 1,000"] - found["blog, 100 %: 100"],
        found["ours, 100 %: 10,000"] - found["blog, 1 %: 1,000"],
        found["ours, 1 %: 100,000"] - found["ours, 100 %: 10,000"],
    ]
    assert steps == pytest.approx([steps[0]] * 3, abs=1.1)
    assert steps[0] > 100


def test_every_value_group_and_series_is_written() -> None:
    said = texts(charts.bars("Throughput", "events/s", GROUPS, log=True))

    assert {"Throughput", "blog", "ours", "1 %", "100 %", "100k", "10k", "1k", "100"} <= {*said}
    assert "events/s (logarithmic)" in said


def test_what_is_zero_has_a_bar_too() -> None:
    found = widths(charts.bars("CPU", "µs", {"a": {"x": 0.0}, "b": {"x": 5.0}}, log=True))

    assert found["a, x: 0"] == 1


def test_names_cannot_break_the_picture() -> None:
    picture = charts.bars("a < b & c", "µs", {'<"x">': {"<y>": 1.0}})

    assert '<"x">, <y>: 1' in marks(picture, "rect")


def test_a_line_goes_through_its_points() -> None:
    picture = charts.lines(
        "TTG", "events/s", "ms", {"p50": [(1_000, 10), (10_000, 20)], "p99": [(1_000, 40)]}
    )
    found = marks(picture, "circle")
    ways = re.findall(r'points="([^"]+)"', picture)

    def place(name: str) -> str:
        return f"{found[name].get('cx')},{found[name].get('cy')}"

    assert ways[0] == f"{place('p50: 1,000, 10')} {place('p50: 10,000, 20')}"
    assert ways[1] == place("p99: 1,000, 40")
    # More is further up, and further to the right.
    assert float(found["p99: 1,000, 40"].get("cy", 0)) < float(found["p50: 1,000, 10"].get("cy", 0))
    assert float(found["p50: 10,000, 20"].get("cx", 0)) > float(
        found["p50: 1,000, 10"].get("cx", 0)
    )


def test_both_axes_can_be_logarithmic() -> None:
    points = {"p99": [(10.0, 1.0), (100.0, 10.0), (1_000.0, 100.0)]}
    found = [
        (float(mark.get("cx", 0)), float(mark.get("cy", 0)))
        for mark in marks(charts.lines("a", "x", "y", points, log_x=True, log_y=True),
                          "circle").values()
    ]  # fmt: skip

    (x0, y0), (x1, y1), (x2, y2) = found
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    assert y0 - y1 == pytest.approx(y1 - y2, abs=0.2)


def test_more_series_than_colours_are_told_apart_by_dashes() -> None:
    picture = charts.lines("a", "x", "y", {f"s{n}": [(1, n), (2, n)] for n in range(7)})

    assert picture.count("stroke-dasharray") == 1


@pytest.mark.parametrize(
    ("values", "log", "ticks"),
    [
        ([7.0], False, [0, 2, 4, 6, 8]),
        ([60.0], False, [0, 10, 20, 30, 40, 50, 60]),
        ([0.0], False, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        ([3.0, 45.0], True, [1, 2, 5, 10, 20, 50, 100]),
        ([3.0, 4_500.0], True, [1, 10, 100, 1_000, 10_000]),
        ([10.0], True, [10, 20, 50, 100]),
        ([0.0], True, [1, 2, 5, 10]),
    ],
)
def test_an_axis_has_few_round_ticks(values: list[float], log: bool, ticks: list[float]) -> None:
    assert Scale.over(values, 0, 100, log=log).ticks() == pytest.approx(ticks)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.254, "0.254"), (7.5, "7.5"), (820.4, "820"), (71_300, "71.3k"), (2e6, "2M")],
)
def test_a_number_is_written_as_briefly_as_its_size_allows(value: float, text: str) -> None:
    assert charts.short(value) == text


def test_a_dark_page_has_its_own_colours() -> None:
    picture = charts.bars("Throughput", "events/s", GROUPS)

    light, dark = picture.split("@media(prefers-color-scheme:dark)")
    for kind in (".paper{fill:", ".f0{fill:", ".grid{stroke:"):
        assert kind in light
        assert kind in dark
