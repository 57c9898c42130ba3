"""Measures as they leave a process, taken by a real collector."""

from __future__ import annotations

import time

import pytest

from libs import tracing
from libs.tracing.context import SpanRef
from libs.tracing.facts import Operation, Stored
from tests.collector import Collector, collecting, plain
from tests.conformance import origin_violations
from tests.conventions import MEASURES
from tests.unit.libs.tracing.test_meters import READ, WRITTEN

STOP_LIMIT_S = 8.0


async def measure(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """Run a process that measures one of everything, to its end."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "otlp")
    exemplar = SpanRef(0x1234, 0x77, is_sampled=True)
    async with tracing.exporting("normalize", 0) as emitter:
        emitter.meters.read(READ, 9_000, exemplar)
        emitter.meters.wrote(WRITTEN, exemplar)
        emitter.meters.stored(Stored("ttg", "event", 1, [Operation("COPY", 0, 1)]), exemplar)
        emitter.meters.answered(202, 1_000, exemplar)
        emitter.meters.reached_the_glass(1_000, exemplar)


async def test_every_measure_is_as_it_is_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    with collecting() as collector:
        await measure(monkeypatch, collector.port)

    assert {metric.name for metric in collector.measures.metrics} == MEASURES.keys()
    for measured in collector.measures.measured:
        assert list(origin_violations(measured.origin)) == []
    for metric in collector.measures.metrics:
        points = getattr(metric, metric.WhichOneof("data") or "").data_points
        for point in points:
            types = {name: type(value) for name, value in plain(point.attributes).items()}
            assert types == MEASURES[metric.name]
        traces = {exemplar.trace_id for point in points for exemplar in point.exemplars}
        assert traces == {(0x1234).to_bytes(16)}, metric.name


async def test_measures_end_in_time_with_a_collector_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    began_s = time.monotonic()
    await measure(monkeypatch, 1)

    assert time.monotonic() - began_s < STOP_LIMIT_S


async def test_by_default_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    collector: Collector
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.port}")
        async with tracing.exporting("normalize", 0) as emitter:
            emitter.meters.read(READ, 9_000, None)

    assert collector.measures.metrics == []
