"""What one event takes of everything: processors, wire, disk; and what one span does."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from uuid import UUID

import asyncpg
import grpc
import msgspec
import psutil
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)

from bench.load.rig import Rig
from bench.stack.receiver import HOST
from services.topology import TOPICS
from tools.progress import Step

_PARTITION = re.compile(r"(?P<topic>.+)-\d+$")
# Each stage exports twice a second.
_EXPORTED_AFTER_S = 2.0
_COPIED_ROWS = 200_000
_TIMEOUT_S = 60.0


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """Of one event where nothing else is said, at `batch` events a request.

    `cpu_us` is by process, the database's with all of its own; `log_bytes` by topic, as the log
    has them and the wire carries them once. `copied_us` is of COPY alone, into a table without an
    index that nobody must find again after a crash.
    """

    batch: int
    cpu_us: dict[str, float]
    http_bytes: float
    log_bytes: dict[str, float]
    table_bytes: float
    wal_bytes: float
    copied_us: float
    spans_per_request: float
    bytes_per_span: float


class _Scale(TraceServiceServicer):
    """A collector that weighs what it takes."""

    def __init__(self) -> None:
        self.spans = 0
        self.size_bytes = 0

    async def Export(
        self,
        request: ExportTraceServiceRequest,
        context: grpc.aio.ServicerContext,
    ) -> ExportTraceServiceResponse:
        """Take spans as they are on the wire."""
        scopes = (scope for each in request.resource_spans for scope in each.scope_spans)
        self.spans += sum(len(scope.spans) for scope in scopes)
        self.size_bytes += request.ByteSize()
        return ExportTraceServiceResponse()


@asynccontextmanager
async def weighing() -> AsyncGenerator[tuple[_Scale, Mapping[str, str]]]:
    """Listen for spans, and say what stages must be told to send them here, all of them."""
    scale = _Scale()
    server = grpc.aio.server()
    add_TraceServiceServicer_to_server(scale, server)
    port = server.add_insecure_port(f"{HOST}:0")
    await server.start()
    yield (
        scale,
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{HOST}:{port}",
            "OTEL_TRACES_SAMPLER_ARG": "1",
            "TRACE_PER_SECOND_MAX": "1e9",
        },
    )
    await server.stop(grace=None)


async def weigh(rig: Rig, scale: _Scale, requests: int) -> tuple[float, float]:
    """Send requests, all sampled; return their spans each, and the bytes of a span."""
    before = scale.spans, scale.size_bytes
    with Step(f"Weighing the spans of {requests:,} requests") as step:
        await rig.saturate(requests * rig.batch, step)
        await asyncio.sleep(_EXPORTED_AFTER_S)
    spans = scale.spans - before[0]
    return spans / requests, (scale.size_bytes - before[1]) / max(spans, 1)


def logged_bytes(data: Path) -> dict[str, int]:
    """Return what the log of each topic takes on a broker's disk."""
    found = dict.fromkeys(TOPICS, 0)
    for folder in data.iterdir():
        named = _PARTITION.match(folder.name)
        if named and named["topic"] in found:
            found[named["topic"]] += sum(one.stat().st_size for one in folder.glob("*.log"))
    return found


def body_bytes(rig: Rig) -> float:
    """Return what an event takes of a request's body."""
    return len(next(islice(rig.bodies, 1))) / rig.batch


async def copied_us(url: str) -> float:
    """Return the database's processor time for a row of COPY alone (µs)."""
    now = datetime.now(UTC)
    rows = [
        ("default", UUID(int=number), "cpu_utilization", 0.5, "1", now,
         '{"entity":"checkout","run":"none"}', "payments", "web", "eu", f"{number:032x}", now, now)
        for number in range(_COPIED_ROWS)
    ]  # fmt: skip
    connection = await asyncpg.connect(url, timeout=_TIMEOUT_S, command_timeout=_TIMEOUT_S)
    try:
        await connection.execute("create temporary table copied (like event)")
        backend = psutil.Process(connection.get_server_pid())
        before = backend.cpu_times()
        await connection.copy_records_to_table("copied", records=rows)
        after = backend.cpu_times()
    finally:
        await connection.close(timeout=_TIMEOUT_S)
    return 1e6 * (after.user + after.system - before.user - before.system) / _COPIED_ROWS
