"""How the collector of a run is found, asked and ended."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import psutil
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from bench.stack import collectors
from bench.stack.collectors import COLLECTOR, Collector
from bench.stack.receiver import Kind
from bench.stack.temporary import Stack
from tests.unit.bench.made import stack_in

TIMEOUT_S = 5.0


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return stack_in(tmp_path, {"jaeger": 11, "kafka": 12})


def address(collector: Collector) -> tuple[str, int]:
    url = urlsplit(collector.environ["OTEL_EXPORTER_OTLP_ENDPOINT"])
    assert url.hostname
    assert url.port
    return url.hostname, url.port


async def test_jaeger_is_where_the_stack_says_and_is_measured_as_the_collector(
    stack: Stack,
) -> None:
    async with collectors.jaeger(stack) as collector:
        assert collector.pids == {COLLECTOR: 11}
        assert not collector.environ
    assert collector.spans_taken is None


async def test_a_dead_one_refuses_connections_on_a_port_that_nobody_else_gets(stack: Stack) -> None:
    async with collectors.dead(stack) as collector:
        with socket.socket() as client, pytest.raises(ConnectionRefusedError):
            client.connect(address(collector))
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(address(collector))
    assert collector.spans_taken == 0


async def test_a_process_tells_what_it_took_when_it_ends(stack: Stack) -> None:
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.add()

    async with collectors.started(Kind.HEALTHY)(stack) as collector:
        pid = collector.pids[COLLECTOR]
        host, port = address(collector)
        async with grpc.aio.insecure_channel(f"{host}:{port}") as channel:
            await TraceServiceStub(channel).Export(request, timeout=TIMEOUT_S)
        assert psutil.Process(pid).ppid() == os.getpid()
        assert collector.spans_taken is None
    assert collector.spans_taken == 1
    assert not psutil.pid_exists(pid)


async def test_a_process_ends_also_after_an_error(stack: Stack) -> None:
    pids: list[int] = []

    async def fail() -> None:
        async with collectors.started(Kind.HUNG)(stack) as collector:
            pids.append(collector.pids[COLLECTOR])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert pids
    assert not psutil.pid_exists(pids[0])
