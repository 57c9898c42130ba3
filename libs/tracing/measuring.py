"""The life of the measures: exported now and then, once more at the end, and never waited for."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource

from libs.tracing import names
from libs.tracing.leaving import leave_behind
from libs.tracing.meters import Meters


@asynccontextmanager
async def measuring(resource: Resource, flush_limit_s: float) -> AsyncGenerator[Meters]:
    """Yield instruments whose measures go out by OTLP, every `OTEL_METRIC_EXPORT_INTERVAL`."""
    provider = MeterProvider(
        [PeriodicExportingMetricReader(OTLPMetricExporter())],
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
    meter = provider.get_meter(names.SCOPE, schema_url=names.SCHEMA_URL)
    try:
        yield Meters(meter)
    finally:
        await leave_behind(provider.shutdown, flush_limit_s)
