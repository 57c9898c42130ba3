"""A collector that the bench starts: it takes spans and counts them, or is as bad as it is told.

    python -m bench.stack.receiver healthy

It prints its port and that it is ready, and at SIGTERM how many spans it took.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from enum import StrEnum

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)

HOST = "127.0.0.1"
# Longer than a stop waits for spans, and within the 10 s that a call may take.
_SLOW_S = 5.0
# A stage makes one, and another after its time-out.
_CONNECTIONS_MAX = 128


class Kind(StrEnum):
    """How a collector is."""

    HEALTHY = "healthy"
    # Takes connections, and never says a word.
    HUNG = "hung"
    # Takes spans after 5 s.
    SLOW = "slow"
    # Refuses for the moment: UNAVAILABLE is tried again.
    REFUSING = "refusing"
    # Refuses for good: INVALID_ARGUMENT is not.
    REJECTING = "rejecting"


_REFUSALS = {
    Kind.REFUSING: grpc.StatusCode.UNAVAILABLE,
    Kind.REJECTING: grpc.StatusCode.INVALID_ARGUMENT,
}


class Receiver(TraceServiceServicer):
    """Listens on a free port; counts the spans it has taken, and weighs them on the wire."""

    def __init__(self, kind: Kind) -> None:
        self.port = 0
        self.spans = 0
        self.size_bytes = 0
        self._delay_s = _SLOW_S if kind is Kind.SLOW else 0.0
        self._refusal = _REFUSALS.get(kind)

    async def Export(
        self, request: ExportTraceServiceRequest, context: grpc.aio.ServicerContext
    ) -> ExportTraceServiceResponse:
        """Take spans; a call that its caller gave up on is cancelled before it counts."""
        await asyncio.sleep(self._delay_s)
        if self._refusal is not None:
            await context.abort(self._refusal, "as the bench wants it")
        scopes = (scope for each in request.resource_spans for scope in each.scope_spans)
        self.spans += sum(len(scope.spans) for scope in scopes)
        self.size_bytes += request.ByteSize()
        return ExportTraceServiceResponse()


@asynccontextmanager
async def receiving(kind: Kind) -> AsyncGenerator[Receiver]:
    """Listen on the loopback interface."""
    receiver = Receiver(kind)
    if kind is Kind.HUNG:
        # The kernel makes the connections, as it does for a process that is stopped.
        with socket.create_server((HOST, 0), backlog=_CONNECTIONS_MAX) as mute:
            receiver.port = mute.getsockname()[1]
            yield receiver
        return
    server = grpc.aio.server()
    add_TraceServiceServicer_to_server(receiver, server)
    receiver.port = server.add_insecure_port(f"{HOST}:0")
    await server.start()
    yield receiver
    await server.stop(grace=None)


def address(port: int) -> dict[str, str]:
    """Return the variables with which stages find a collector on this machine."""
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{HOST}:{port}"}


async def _serve(kind: Kind) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with receiving(kind) as receiver:
        _say(f"{receiver.port}\nready")
        await stop.wait()
    _say(str(receiver.spans))


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_serve(Kind(sys.argv[1])))
