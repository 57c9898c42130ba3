"""What is weighed: logs on a disk, and spans on a wire."""

from __future__ import annotations

from pathlib import Path

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from bench.scaling import costs


def test_a_topic_takes_what_the_segments_of_its_partitions_do(tmp_path: Path) -> None:
    for folder, name, size in (
        ("events.raw-0", "0.log", 10),
        ("events.raw-0", "9.log", 5),
        ("events.raw-11", "0.log", 7),
        # Kafka gives an index its whole size at once, whatever is in it.
        ("events.raw-11", "0.index", 1_000),
        ("events.raw.dlq-0", "0.log", 100),
        ("__consumer_offsets-3", "0.log", 100),
    ):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).write_bytes(b"x" * size)

    assert costs.logged_bytes(tmp_path) == {
        "events.raw": 22,
        "events.normalized": 0,
        "events.decorated": 0,
    }


async def test_spans_are_counted_and_weighed_as_they_are_on_the_wire() -> None:
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for name in ("one", "two"):
        scope.spans.add().name = name

    async with costs.weighing() as (scale, environ):
        address = environ["OTEL_EXPORTER_OTLP_ENDPOINT"].removeprefix("http://")
        async with grpc.aio.insecure_channel(address) as channel:
            await TraceServiceStub(channel).Export(request, timeout=5)

    assert scale.spans == 2
    assert scale.size_bytes == len(request.SerializeToString())
