"""The collector of the bench, good and bad, over real connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from bench.stack import receiver as receivers
from bench.stack.receiver import HOST, Kind, Receiver, receiving

QUICK_S = 0.3
LONG_S = 5.0


def request(spans: int) -> ExportTraceServiceRequest:
    made = ExportTraceServiceRequest()
    scope = made.resource_spans.add().scope_spans.add()
    for _ in range(spans):
        scope.spans.add()
    return made


async def export(receiver: Receiver, spans: int, timeout_s: float = LONG_S) -> grpc.StatusCode:
    async with grpc.aio.insecure_channel(f"{HOST}:{receiver.port}") as channel:
        try:
            await TraceServiceStub(channel).Export(request(spans), timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            return error.code()
    return grpc.StatusCode.OK


@asynccontextmanager
async def slow(monkeypatch: pytest.MonkeyPatch, slow_s: float) -> AsyncGenerator[Receiver]:
    monkeypatch.setattr(receivers, "_SLOW_S", slow_s)
    async with receiving(Kind.SLOW) as receiver:
        yield receiver


async def test_a_healthy_one_counts_the_spans_of_every_call() -> None:
    async with receiving(Kind.HEALTHY) as receiver:
        codes = [await export(receiver, spans) for spans in (3, 4)]

    assert codes == [grpc.StatusCode.OK] * 2
    assert receiver.spans == 7


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (Kind.REFUSING, grpc.StatusCode.UNAVAILABLE),
        (Kind.REJECTING, grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
async def test_one_that_refuses_takes_nothing(kind: Kind, code: grpc.StatusCode) -> None:
    async with receiving(kind) as receiver:
        assert await export(receiver, 3) is code
    assert receiver.spans == 0


async def test_a_slow_one_takes_them_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async with slow(monkeypatch, QUICK_S) as receiver:
        began_s = asyncio.get_running_loop().time()
        code = await export(receiver, 3)

        assert asyncio.get_running_loop().time() - began_s >= QUICK_S
    assert code is grpc.StatusCode.OK
    assert receiver.spans == 3


async def test_a_slow_one_does_not_count_what_its_caller_gave_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with slow(monkeypatch, 2 * QUICK_S) as receiver:
        assert await export(receiver, 3, timeout_s=QUICK_S) is grpc.StatusCode.DEADLINE_EXCEEDED
        # A call that takes as long, so the first would have counted by its end.
        assert await export(receiver, 1) is grpc.StatusCode.OK
    assert receiver.spans == 1


async def test_a_hung_one_takes_connections_and_never_answers() -> None:
    async with receiving(Kind.HUNG) as receiver:
        reader, writer = await asyncio.open_connection(HOST, receiver.port)
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), QUICK_S)
        writer.close()
        await writer.wait_closed()

        assert await export(receiver, 3, timeout_s=QUICK_S) is grpc.StatusCode.DEADLINE_EXCEEDED
    assert receiver.spans == 0
