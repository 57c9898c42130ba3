"""The instruments of a process whose measures go out by OTLP, now and then."""

from __future__ import annotations

from collections.abc import Callable

from grpc import Compression
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource

from libs.tracing import names
from libs.tracing.meters import Meters


def measuring(
    resource: Resource, release: str, compression: Compression
) -> tuple[Meters, Callable[[], object]]:
    """Make the instruments, and what exports them once more and ends them; that may hang.

    They are exported every `OTEL_METRIC_EXPORT_INTERVAL`.
    """
    provider = MeterProvider(
        [PeriodicExportingMetricReader(OTLPMetricExporter(compression=compression))],
        resource,
        shutdown_on_exit=False,
        # From a millisecond to hours; fixed buckets would end somewhere.
        views=[
            View(
                instrument_type=Histogram,
                instrument_name="ttg.*",
                aggregation=ExponentialBucketHistogramAggregation(),
            )
        ],
    )
    meter = provider.get_meter(names.SCOPE, release, names.SCHEMA_URL)
    return Meters(meter), provider.shutdown
