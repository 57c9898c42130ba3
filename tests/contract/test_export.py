"""The exporter against a real collector over gRPC, by the variables OpenTelemetry names."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
import trustme

from libs.tracing import setup
from libs.tracing.context import SpanRef
from libs.tracing.export import Outbox, Tally
from libs.tracing.setup import exporting
from libs.tracing.spans import Span
from services.topology import PIPELINE
from tests.collector import HOST, Collector, collecting

KEY = "0123456789abcdef0123456789abcdefFFFFNRAL"
NEW_RELIC_BYTES_MAX = 1_000_000


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("OTEL_", "TRACE_")):
            monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def certificate(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(scope="module")
def credentials(authority: trustme.CA) -> grpc.ServerCredentials:
    issued = authority.issue_cert(HOST)
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    return grpc.ssl_server_credentials([(issued.private_key_pem.bytes(), chain)])


class Variables:
    """Sets `OTEL_EXPORTER_OTLP_*`, or with a signal `OTEL_EXPORTER_OTLP_TRACES_*`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def __call__(self, *, signal: str = "", **values: str) -> None:
        for name, value in values.items():
            self._monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{signal}{name.upper()}", value)

    def leave_by(self, limit_s: float) -> None:
        """Give a stop less time than it has, for tests that need not wait so long."""
        self._monkeypatch.setattr(setup, "_FLUSH_LIMIT_S", limit_s)


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> Variables:
    return Variables(monkeypatch)


@asynccontextmanager
async def outbox(stage: str = "normalize") -> AsyncGenerator[Outbox]:
    async with exporting(stage, 0) as emitter:
        assert isinstance(emitter, Outbox)
        yield emitter


def emit(outbox: Outbox, count: int = 1, **attributes: str) -> None:
    for number in range(count):
        ref = SpanRef(1, number + 1, is_sampled=True)
        outbox.emit(Span("send", ref, 0, 1_000, 2_000, own={**attributes}))


async def export(count: int = 1, **attributes: str) -> Tally:
    async with outbox() as emitter:
        emit(emitter, count, **attributes)
    return emitter.tally


async def until(is_so: Callable[[], bool], limit_s: float = 5.0) -> None:
    async with asyncio.timeout(limit_s):
        while not is_so():  # noqa: ASYNC110  (a count tells nobody)
            await asyncio.sleep(0.01)


def dead_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def at(collector: Collector, scheme: str = "http") -> str:
    return f"{scheme}://{HOST}:{collector.port}"


async def test_an_endpoint_with_http_is_spoken_to_in_plain(variables: Variables) -> None:
    with collecting() as collector:
        variables(endpoint=at(collector))

        assert await export() == Tally(exported=1)
    assert [received.span.name for received in collector.spans] == ["send"]


async def test_the_endpoint_of_traces_goes_before_the_general_one(variables: Variables) -> None:
    with collecting() as general, collecting() as of_traces:
        variables(endpoint=at(general))
        variables(signal="TRACES_", endpoint=at(of_traces))

        await export()
    assert (len(general.spans), len(of_traces.spans)) == (0, 1)


async def test_headers_go_with_each_call(variables: Variables) -> None:
    with collecting() as collector:
        variables(endpoint=at(collector), headers="Api-Key=a%20b, other=x=y")

        await export(3_000)
    assert len(collector.calls) > 1
    assert {call.metadata["api-key"] for call in collector.calls} == {"a b"}
    assert {call.metadata["other"] for call in collector.calls} == {"x=y"}


async def test_the_headers_of_traces_go_before_the_general_ones(variables: Variables) -> None:
    with collecting() as collector:
        variables(endpoint=at(collector), headers="api-key=general")
        variables(signal="TRACES_", headers="api-key=of-traces")

        await export()
    assert collector.calls[0].metadata["api-key"] == "of-traces"


@pytest.mark.parametrize("signal", ["", "TRACES_"])
async def test_a_certificate_of_ones_own_authority_is_trusted(
    variables: Variables, certificate: str, credentials: grpc.ServerCredentials, signal: str
) -> None:
    with collecting(credentials=credentials) as collector:
        variables(endpoint=at(collector, "https"))
        variables(signal=signal, certificate=certificate)

        assert await export() == Tally(exported=1)
    assert len(collector.spans) == 1


@pytest.mark.parametrize("scheme", ["https", "http"])
async def test_nothing_is_sent_to_one_that_is_not_trusted_or_not_in_plain(
    variables: Variables, credentials: grpc.ServerCredentials, scheme: str
) -> None:
    with collecting(credentials=credentials) as collector:
        variables(endpoint=at(collector, scheme), timeout="0.5")

        assert await export() == Tally(failed=1)
    assert not collector.calls


async def test_https_never_falls_back_to_plain(variables: Variables, certificate: str) -> None:
    with collecting() as collector:
        variables(endpoint=at(collector, "https"), certificate=certificate, timeout="0.5")

        assert await export() == Tally(failed=1)
    assert not collector.calls


@pytest.mark.parametrize(
    ("general", "of_traces", "is_compressed"),
    [("", "", False), ("none", "", False), ("gzip", "", True), ("gzip", "none", False),
     ("none", "gzip", True)],
)  # fmt: skip
async def test_compression_is_what_the_variables_say(
    variables: Variables, general: str, of_traces: str, is_compressed: bool
) -> None:
    with collecting(takes_compressed=False) as plain, collecting() as any_way:
        variables(compression=general)
        variables(signal="TRACES_", compression=of_traces)
        variables(endpoint=at(plain))
        of_plain = await export()
        variables(endpoint=at(any_way))
        of_any_way = await export()

    assert of_plain == (Tally(failed=1) if is_compressed else Tally(exported=1))
    assert of_any_way == Tally(exported=1)


@pytest.mark.parametrize("signal", ["", "TRACES_"])
async def test_a_call_ends_after_the_timeout_in_seconds(variables: Variables, signal: str) -> None:
    with collecting() as collector:
        collector.delay_s = None
        variables(endpoint=at(collector), timeout="30")
        variables(signal=signal, timeout="0.2")
        async with outbox() as emitter:
            begun_s = time.monotonic()
            emit(emitter)
            await until(lambda: emitter.tally.failed == 1)
            took_s = time.monotonic() - begun_s

    assert 0.2 <= took_s < 2


async def test_new_relic_gets_a_service_for_each_stage_and_the_key_with_each_call(
    variables: Variables, certificate: str, credentials: grpc.ServerCredentials
) -> None:
    stages = [hop.stage for hop in PIPELINE]
    with collecting(credentials=credentials) as collector:
        variables(endpoint=at(collector, "https"), headers=f"api-key={KEY}")
        # Its own certificate is signed by an authority that everybody trusts.
        variables(certificate=certificate)
        for stage in stages:
            async with outbox(stage) as emitter:
                emit(emitter, 2_000)

    of_service = [received.resource["service.name"] for received in collector.spans]
    assert {stage: of_service.count(stage) for stage in stages} == dict.fromkeys(stages, 2_000)
    assert len(collector.calls) >= 2 * len(stages)
    assert {call.metadata["api-key"] for call in collector.calls} == {KEY}
    assert all(call.metadata["user-agent"].startswith("OTel-OTLP") for call in collector.calls)


async def test_new_relics_limits_hold_for_the_largest_spans(variables: Variables) -> None:
    with collecting() as collector:
        variables(endpoint=at(collector))

        long = {f"long{number}": "x" * 9_000 for number in range(6)}
        short = {f"short{number}": "x" for number in range(80)}
        tally = await export(200, **long, **short)

    assert tally == Tally(exported=200)
    assert max(call.request.ByteSize() for call in collector.calls) <= NEW_RELIC_BYTES_MAX
    for received in collector.spans:
        assert len(received.attributes) == 64
        assert max(map(len, received.attributes.values())) == 4_095


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED])
async def test_a_refusal_that_passes_is_tried_again(
    variables: Variables, code: grpc.StatusCode
) -> None:
    with collecting() as collector:
        collector.refusal = code
        variables(endpoint=at(collector))
        async with outbox() as emitter:
            emit(emitter)
            await until(lambda: collector.refused == 1)
            collector.refusal = None

    assert emitter.tally == Tally(exported=1)


async def test_a_refusal_in_broken_bytes_is_counted_and_the_next_spans_go_on(
    variables: Variables,
) -> None:
    with collecting() as collector:
        collector.refusal, collector.retry_info = grpc.StatusCode.UNAVAILABLE, b"\xff\xff\xff"
        variables(endpoint=at(collector), bsp_schedule_delay="10")
        async with outbox() as emitter:
            emit(emitter, 5)
            await until(lambda: emitter.tally.failed == 5)
            collector.refusal = None
            emit(emitter, 5)

    assert emitter.tally == Tally(exported=5, failed=5)


async def test_a_refusal_for_good_is_counted_and_not_tried_again(variables: Variables) -> None:
    with collecting() as collector:
        collector.refusal = grpc.StatusCode.PERMISSION_DENIED
        variables(endpoint=at(collector))

        assert await export(5) == Tally(failed=5)
    assert collector.refused == 1


@pytest.mark.parametrize(
    "broken",
    [
        {"start_us": -1},
        {"ref": SpanRef(1 << 128, 9, is_sampled=True)},
        {"own": {"large": 1 << 63}},
        {"own": {"text": "\ud800"}},
        {"error_type": "\ud800"},
    ],
    ids=["time", "id", "number", "attribute", "status"],
)
async def test_a_span_that_has_no_encoding_costs_only_itself(
    variables: Variables, broken: dict[str, object]
) -> None:
    span = Span("send", SpanRef(1, 9, is_sampled=True), 0, 1_000, 2_000)
    with collecting() as collector:
        variables(endpoint=at(collector))
        async with outbox() as emitter:
            emit(emitter, 5)
            emitter.emit(replace(span, **broken))
            emit(emitter, 5)

        assert emitter.tally == Tally(exported=10, failed=1)


async def test_a_collector_that_comes_back_gets_what_comes_then(variables: Variables) -> None:
    port = dead_port()
    variables(endpoint=f"http://{HOST}:{port}", timeout="0.3")
    async with outbox() as emitter:
        emit(emitter, 10)
        await until(lambda: emitter.tally.failed == 10)
        with collecting(port=port) as collector:
            emit(emitter, 10)
            await until(lambda: emitter.tally.failed + emitter.tally.exported == 20)
            emit(emitter, 10)
            await until(lambda: emitter.tally.exported >= 10)

    assert len(collector.spans) == emitter.tally.exported
    assert emitter.tally.lost + emitter.tally.exported == 30


async def test_a_slow_collector_gets_everything_and_nobody_waits(variables: Variables) -> None:
    with collecting() as collector:
        collector.delay_s = 0.1
        variables(endpoint=at(collector))
        async with outbox() as emitter:
            begun_s = time.monotonic()
            emit(emitter, 5_000)
            took_s = time.monotonic() - begun_s

    assert took_s < 0.5
    assert emitter.tally == Tally(exported=5_000)
    assert len(collector.spans) == 5_000


@pytest.mark.parametrize("is_hung", [True, False], ids=["hung", "dead"])
def test_a_process_ends_in_time_without_a_collector(variables: Variables, is_hung: bool) -> None:
    """Asyncio waits at its end for threads, so the end of a whole run is timed."""

    async def run() -> tuple[float, Tally]:
        async with outbox() as emitter:
            emit(emitter, 70_000)
            emitted_s = time.monotonic()
        return emitted_s, emitter.tally

    with collecting() as collector:
        collector.delay_s = None
        port = collector.port if is_hung else dead_port()
        variables(endpoint=f"http://{HOST}:{port}")
        variables.leave_by(1.0)

        emitted_s, tally = asyncio.run(run())
        took_s = time.monotonic() - emitted_s

    assert took_s < 3
    assert tally.exported == 0
    assert tally.failed <= 1_024
    assert tally.lost == 70_000
