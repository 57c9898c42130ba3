"""What is measured of all requests, by the SDK's own reader."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from libs.tracing.context import SpanRef
from libs.tracing.facts import Operation, Read, Stored, Written
from libs.tracing.meters import Meters, no_meters

EXEMPLAR = SpanRef(0x1234, 0x77, is_sampled=True)
READ = Read(
    topic="events.raw",
    partition=3,
    offset=17,
    group="normalize",
    client_id="normalize-0",
    sent_us=2_000,
    appended_us=2_000,
    polled_us=5_000,
    started_us=6_000,
    lag_records=0,
    events=100,
    origins=1,
    asked_us=1_500,
    fetched_us=4_000,
)
WRITTEN = Written(
    "events.normalized", 3, 21, "normalize-0", 7_000, 10_000, 100, record_us=7_500, drained_us=8_000
)


class Measured:
    """Instruments, and what they hold."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self._provider = MeterProvider([self._reader], shutdown_on_exit=False)
        self.meters = Meters(self._provider.get_meter("test"))

    def points(self, name: str) -> list[Any]:
        data = self._reader.get_metrics_data()
        assert data is not None
        metrics = [
            metric
            for of_resource in data.resource_metrics
            for of_scope in of_resource.scope_metrics
            for metric in of_scope.metrics
            if metric.name == name
        ]
        return [point for metric in metrics for point in metric.data.data_points]


@pytest.fixture
def measured() -> Measured:
    return Measured()


def test_a_wait_is_measured_in_its_parts(measured: Measured) -> None:
    measured.meters.read(READ, 9_000, None)

    points = measured.points("ttg.hop.queue.duration")
    found = {point.attributes["ttg.queue.part"]: point.sum for point in points}
    assert found == {"log": 0.0, "fetch": 0.002, "prefetch": 0.001, "slot": 0.001}


def test_a_send_is_measured_in_its_parts(measured: Measured) -> None:
    measured.meters.wrote(WRITTEN, None)

    points = measured.points("ttg.hop.send.duration")
    found = {point.attributes["ttg.send.part"]: point.sum for point in points}
    assert found == {"aggregate": 0.0005, "buffer": 0.0005, "ack": 0.002}
    (operation,) = measured.points("messaging.client.operation.duration")
    assert operation.sum == 0.003
    assert operation.attributes["messaging.destination.name"] == "events.normalized"


def test_a_measure_leads_to_a_trace_if_there_is_one(measured: Measured) -> None:
    measured.meters.read(READ, 9_000, EXEMPLAR)
    measured.meters.read(READ, 9_500, None)

    (point,) = measured.points("messaging.process.duration")
    assert point.count == 2
    assert {(e.trace_id, e.span_id) for e in point.exemplars} == {(0x1234, 0x77)}


def test_a_failure_is_measured_apart(measured: Measured) -> None:
    measured.meters.read(READ, 9_000, None)
    measured.meters.read(READ, 9_000, None, "dead_lettered")

    points = measured.points("messaging.process.duration")
    assert {point.attributes.get("error.type") for point in points} == {None, "dead_lettered"}


def test_each_operation_of_the_database_is_measured(measured: Measured) -> None:
    operations = [
        Operation("COMMIT", 0, 5_000, "ConnectionDoesNotExistError"),
        Operation("COPY", 6_000, 7_000),
        Operation("COMMIT", 7_000, 9_000),
    ]
    measured.meters.stored(Stored("ttg", "event", 5, operations), None)

    points = measured.points("db.client.operation.duration")
    found = {
        (p.attributes["db.operation.name"], p.attributes.get("error.type")): p.sum for p in points
    }
    assert found == {
        ("COMMIT", "ConnectionDoesNotExistError"): 0.005,
        ("COPY", None): 0.001,
        ("COMMIT", None): 0.002,
    }


def test_requests_and_answers_are_measured(measured: Measured) -> None:
    measured.meters.reached_the_glass(20_000, EXEMPLAR)
    measured.meters.answered(503, 7_000, None)

    (glass,) = measured.points("ttg.pipeline.duration")
    (answer,) = measured.points("http.server.request.duration")
    assert (glass.count, glass.sum) == (1, 0.02)
    assert (answer.attributes["http.response.status_code"], answer.sum) == (503, 0.007)


def test_a_clock_that_was_set_back_measures_nothing_negative(measured: Measured) -> None:
    measured.meters.read(READ, 1_000, None)
    measured.meters.wrote(replace(WRITTEN, acked_us=1_000), None)
    measured.meters.reached_the_glass(-5, None)

    for name in ("messaging.process.duration", "messaging.client.operation.duration",
                 "ttg.pipeline.duration"):  # fmt: skip
        assert all(point.min >= 0 for point in measured.points(name))


def test_without_an_exporter_nothing_is_kept() -> None:
    meters = no_meters()

    meters.read(READ, 9_000, EXEMPLAR)
    meters.wrote(WRITTEN, EXEMPLAR)
    meters.stored(Stored("ttg", "event", 5, [Operation("COPY", 0, 1)]), None)
    meters.answered(202, 1, None)
    meters.reached_the_glass(1, None)
