"""The waterfall as a picture."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from tests.unit.tools.trace.waterfalls import waterfall
from tools.trace.jaeger import Span, Trace
from tools.trace.picture import svg

NS = "{http://www.w3.org/2000/svg}"


def drawn(*spans: Span) -> ElementTree.Element:
    return ElementTree.fromstring(svg(Trace("0f" * 16, list(spans))))  # noqa: S314  (our own)


def texts(picture: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in picture.iter(f"{NS}text")]


def test_every_span_has_its_name_service_time_and_a_bar() -> None:
    picture = drawn(
        Span("r", "", "time to glass", "pipeline", 0, 31_250),
        Span("p", "r", "process events.raw", "normalize", 15_625, 15_625),
    )

    said = texts(picture)
    assert {"time to glass", "process events.raw", "pipeline", "normalize"} <= set(said)
    assert {"31.250 ms", "15.625 ms"} <= set(said)
    _background, root, process, on_path = picture.iter(f"{NS}rect")
    assert [process.get(at) for at in ("x", "width")] == [on_path.get(at) for at in ("x", "width")]
    assert float(process.get("width", 0)) * 2 == float(root.get("width", 0))
    right = float(process.get("x", 0)) + float(process.get("width", 0))
    assert right == float(root.get("x", 0)) + float(root.get("width", 0))


def test_what_is_beside_the_critical_path_is_pale() -> None:
    trace = waterfall()

    bars = list(ElementTree.fromstring(svg(trace)).iter(f"{NS}rect"))[1:]  # noqa: S314
    pale = [bar for bar in bars if bar.get("opacity")]
    assert len(pale) == len(trace.spans)
    strong = sum(float(bar.get("width", 0)) for bar in bars if not bar.get("opacity"))
    assert strong == pytest.approx(float(pale[0].get("width", 0)), rel=0.01)


def test_names_from_elsewhere_are_text_and_never_markup() -> None:
    hostile = "<script>alert(1)</script> & co"

    assert hostile in texts(drawn(Span("r", "", hostile, hostile, 0, 10)))


def test_a_trace_without_its_root_says_so() -> None:
    assert "No root" in texts(drawn(Span("p", "lost", "send", "ingest", 0, 10)))


def test_the_shortest_span_can_be_seen() -> None:
    picture = drawn(
        Span("r", "", "time to glass", "pipeline", 0, 10**9),
        Span("p", "r", "short", "sink", 0, 0),
    )

    assert all(float(bar.get("width", 0)) >= 1 for bar in picture.iter(f"{NS}rect"))
