"""An OTLP collector inside a test: a real gRPC server, and as bad a one as the test wants."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import (
    LogsServiceServicer,
    add_LogsServiceServicer_to_server,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import (
    MetricsServiceServicer,
    add_MetricsServiceServicer_to_server,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

HOST = "127.0.0.1"
_WORKERS = 4
# A bit for each of gRPC's algorithms; the lowest is "as it is".
_ONLY_UNCOMPRESSED = ("grpc.compression_enabled_algorithms_bitset", 1)


@dataclass(frozen=True)
class Call:
    """One export: what came with it, and what it carried."""

    metadata: dict[str, str]
    request: ExportTraceServiceRequest


@dataclass(frozen=True)
class Origin:
    """What a process says of itself with all that it exports."""

    resource: dict[str, Any]
    scope: InstrumentationScope
    schema_urls: frozenset[str]

    @property
    def service(self) -> str:
        return str(self.resource.get("service.name"))


@dataclass(frozen=True)
class Received:
    """One span, and whose it is."""

    origin: Origin
    span: Span

    @property
    def resource(self) -> dict[str, Any]:
        return self.origin.resource

    @property
    def attributes(self) -> dict[str, Any]:
        return plain(self.span.attributes)


@dataclass(frozen=True)
class Measured:
    """One measure, as it was at one moment, and whose it is."""

    origin: Origin
    metric: Metric


@dataclass(frozen=True)
class Recorded:
    """One log record, and whose it is."""

    origin: Origin
    record: LogRecord

    @property
    def attributes(self) -> dict[str, Any]:
        return plain(self.record.attributes)


class MetricsCollector(MetricsServiceServicer):
    """Takes measures."""

    def __init__(self) -> None:
        self.requests: list[ExportMetricsServiceRequest] = []

    def Export(
        self, request: ExportMetricsServiceRequest, context: grpc.ServicerContext
    ) -> ExportMetricsServiceResponse:
        self.requests.append(request)
        return ExportMetricsServiceResponse()

    @property
    def measured(self) -> list[Measured]:
        """All that was taken, in the order it came."""
        return [
            Measured(_origin(of_resource, of_scope), metric)
            for request in self.requests
            for of_resource in request.resource_metrics
            for of_scope in of_resource.scope_metrics
            for metric in of_scope.metrics
        ]

    @property
    def metrics(self) -> list[Metric]:
        """The same, without whose it is."""
        return [measured.metric for measured in self.measured]


class LogsCollector(LogsServiceServicer):
    """Takes log records; slowly, if the test wants it so."""

    def __init__(self) -> None:
        self.requests: list[ExportLogsServiceRequest] = []
        self.delay_s: float | None = 0.0
        self._stopped = threading.Event()

    def Export(
        self, request: ExportLogsServiceRequest, context: grpc.ServicerContext
    ) -> ExportLogsServiceResponse:
        self._stopped.wait(self.delay_s)
        self.requests.append(request)
        return ExportLogsServiceResponse()

    @property
    def records(self) -> list[Recorded]:
        """All that was taken, in the order it came."""
        return [
            Recorded(_origin(of_resource, of_scope), record)
            for request in self.requests
            for of_resource in request.resource_logs
            for of_scope in of_resource.scope_logs
            for record in of_scope.log_records
        ]

    def release(self) -> None:
        """Let calls that hang go on."""
        self._stopped.set()


class Collector(TraceServiceServicer):
    """Takes exports until it is told to be slow, to refuse, or to hang: `delay_s` is `None`."""

    def __init__(self) -> None:
        self.port = 0
        self.calls: list[Call] = []
        self.refused = 0
        self.delay_s: float | None = 0.0
        self.refusal: grpc.StatusCode | None = None
        # What a refusal says of when to come again, encoded.
        self.retry_info: bytes | None = None
        self.measures = MetricsCollector()
        self.logs = LogsCollector()
        self._stopped = threading.Event()

    @property
    def spans(self) -> list[Received]:
        """All spans that were taken, in the order they came."""
        return [span for call in self.calls for span in received(call.request)]

    def Export(
        self, request: ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> ExportTraceServiceResponse:
        self._stopped.wait(self.delay_s)
        if self.refusal is not None:
            self.refused += 1
            if self.retry_info is not None:
                context.set_trailing_metadata((("google.rpc.retryinfo-bin", self.retry_info),))
            context.abort(self.refusal, "as the test wants it")
        metadata = {name: str(text) for name, text in context.invocation_metadata()}
        self.calls.append(Call(metadata, request))
        return ExportTraceServiceResponse()

    def release(self) -> None:
        """Let calls that hang go on."""
        self._stopped.set()


@contextmanager
def collecting(
    *,
    port: int = 0,
    credentials: grpc.ServerCredentials | None = None,
    takes_compressed: bool = True,
) -> Generator[Collector]:
    """Run a collector on the loopback interface; with credentials it speaks TLS only."""
    collector = Collector()
    options = () if takes_compressed else (_ONLY_UNCOMPRESSED,)
    server = grpc.server(ThreadPoolExecutor(_WORKERS), options=options)
    add_TraceServiceServicer_to_server(collector, server)
    add_MetricsServiceServicer_to_server(collector.measures, server)
    add_LogsServiceServicer_to_server(collector.logs, server)
    address = f"{HOST}:{port}"
    if credentials is None:
        collector.port = server.add_insecure_port(address)
    else:
        collector.port = server.add_secure_port(address, credentials)
    server.start()
    try:
        yield collector
    finally:
        collector.release()
        collector.logs.release()
        server.stop(grace=None).wait()


def received(request: ExportTraceServiceRequest) -> list[Received]:
    """The spans of one export, in their order."""
    return [
        Received(_origin(of_resource, of_scope), span)
        for of_resource in request.resource_spans
        for of_scope in of_resource.scope_spans
        for span in of_scope.spans
    ]


def _origin(of_resource: Any, of_scope: Any) -> Origin:
    schema_urls = frozenset((of_resource.schema_url, of_scope.schema_url))
    return Origin(plain(of_resource.resource.attributes), of_scope.scope, schema_urls)


def plain(attributes: Iterable[KeyValue]) -> dict[str, Any]:
    return {each.key: _value(each.value) for each in attributes}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    return None if kind is None else getattr(value, kind)
