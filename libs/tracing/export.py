"""Spans on their way out: a bounded queue, one thread that sends, and a count of every span."""

from __future__ import annotations

import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import copy_context
from dataclasses import asdict, dataclass
from typing import Protocol

import structlog
from google.protobuf.message import DecodeError
from grpc import Channel, UnaryUnaryMultiCallable
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.trace import SpanKind

from libs.tracing import names
from libs.tracing.meters import Meters, no_meters
from libs.tracing.otlp import Encoder
from libs.tracing.policy import Policy
from libs.tracing.recording import log_ids
from libs.tracing.settings import ExportSettings
from libs.tracing.spans import Span

_log = structlog.get_logger()

_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_LOSS_LOG_INTERVAL_S = 10.0
# Of the time a stop may take, this is kept for ending a call that hangs.
_CANCEL_LIMIT_S = 0.5
# What an encoder, or a channel that is being closed, makes of spans that cannot be sent.
_UNSENDABLE = (ValueError, TypeError, ArithmeticError, struct.error)


# How a failure is called in the log, by the kind of its span.
_FAILURES = {
    SpanKind.PRODUCER: names.SEND_EXCEPTION,
    SpanKind.CONSUMER: names.PROCESS_EXCEPTION,
    SpanKind.CLIENT: names.DB_EXCEPTION,
}


class TooLarge(ValueError):
    """A request would be larger than a collector takes; the outbox halves the batch."""


class Sender(Protocol):
    """How batches reach a collector; used by one thread."""

    def send(self, spans: Sequence[Span]) -> bool:
        """Say whether the collector took them; waits for its answer.

        Raises one of `_UNSENDABLE` if they cannot be sent as they are.
        """
        ...

    def close(self) -> None:
        """End a call under way, as failed, and refuse all later ones; called by another thread."""
        ...


class OtlpSender:
    """Sends over gRPC, as the `OTEL_EXPORTER_OTLP_*` variables say."""

    def __init__(self, encoder: Encoder, settings: ExportSettings) -> None:
        self._encoder = encoder
        self._bytes_max = settings.payload_bytes_max
        self._exporter = _Exporter(compression=settings.compression)

    def send(self, spans: Sequence[Span]) -> bool:
        """Encode and send; a span that is too large all alone is sent for the collector to say."""
        request = self._encoder.encode(spans)
        if len(spans) > 1 and len(request) > self._bytes_max:
            raise TooLarge(f"{len(spans)} spans are more than {self._bytes_max} bytes")
        return self._exporter.take(request)

    def close(self) -> None:
        """Close the channel, which ends a call that hangs."""
        self._exporter.shutdown()  # pyright: ignore[reportUnknownMemberType]


class _Exporter(OTLPSpanExporter):
    """The SDK's exporter, for a request that is encoded already."""

    _request = b""

    def take(self, request: bytes) -> bool:
        self._request = request
        try:
            return self.export(()) is SpanExportResult.SUCCESS
        except DecodeError:
            # The collector refused them, and said in broken bytes when to come again.
            return False

    # What this gives is handed to the client below.
    def _translate_data(self, data: Sequence[ReadableSpan]) -> bytes:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self._request

    def _initialize_channel_and_stub(self) -> None:
        super()._initialize_channel_and_stub()
        assert self._channel is not None
        self._client = _Client(self._channel)


class _Client:
    """The client of a collector's trace service that takes bytes."""

    def __init__(self, channel: Channel) -> None:
        # Named by the SDK, which calls it.
        self.Export: UnaryUnaryMultiCallable[bytes, ExportTraceServiceResponse] = (
            channel.unary_unary(
                _EXPORT, response_deserializer=ExportTraceServiceResponse.FromString
            )
        )


@dataclass(slots=True)
class Tally:
    """What became of the spans of this process, other than those that wait."""

    # The collector said that it took them.
    exported: int = 0
    # They were sent, and refused or not answered in time; or they could not be encoded.
    failed: int = 0
    # They were never sent: the queue was full, or the time for the last flush was over.
    dropped: int = 0

    @property
    def lost(self) -> int:
        """All that no collector took."""
        return self.failed + self.dropped


class Outbox:
    """The emitter of a process: takes spans without ever waiting, and sends them in batches."""

    def __init__(
        self,
        sender: Sender,
        policy: Policy,
        settings: ExportSettings,
        now_s: Callable[[], float] = time.monotonic,
        meters: Meters | None = None,
    ) -> None:
        self.policy = policy
        self.meters = meters or no_meters()
        self.tally = Tally()
        self._sender = sender
        self._now_s = now_s
        self._queue: deque[Span] = deque()
        self._queue_max = settings.bsp_max_queue_size
        self._batch_max = min(settings.bsp_max_export_batch_size, self._queue_max)
        self._delay_s = settings.bsp_schedule_delay / 1000
        self._awake = threading.Event()
        self._is_stopping = False
        self._is_closed = False
        self._accepted = 0
        self._lost_told = 0
        self._reason = ""
        self._told_s = now_s() - _LOSS_LOG_INTERVAL_S
        # The logs of the thread say of which stage they are, as all others do.
        run = copy_context().run
        self._thread = threading.Thread(target=run, args=(self._run,), name="spans", daemon=True)
        self._thread.start()

    def emit(self, span: Span) -> None:
        """Queue the span; one that finds no room is dropped, which costs next to nothing.

        A failure is also said in the log, with the ids of its span.
        """
        if span.error_type and span.kind in _FAILURES:
            _tell_failure(span)
        if len(self._queue) >= self._queue_max or self._is_closed:
            self.tally.dropped += 1
            return
        self._accepted += 1
        self._queue.append(span)
        if len(self._queue) >= self._batch_max and not self._awake.is_set():
            self._awake.set()

    def stop(self, limit_s: float) -> None:
        """Send what is queued, for `limit_s` at most; what is left then is dropped and counted."""
        self._is_stopping = True
        self._awake.set()
        self._thread.join(limit_s - _CANCEL_LIMIT_S)
        self._is_closed = True
        self._sender.close()
        self._thread.join(_CANCEL_LIMIT_S)
        left = len(self._take(self._queue_max))
        self.tally.dropped += left
        # A call that could not be ended has failed too.
        self.tally.failed = self._accepted - left - self.tally.exported
        if self.tally.lost:
            _log.warning("spans lost", **asdict(self.tally), reason=self._reason)
        else:
            _log.info("spans exported", **asdict(self.tally))

    def _run(self) -> None:
        while not self._is_closed and (self._queue or not self._is_stopping):
            if len(self._queue) < self._batch_max and not self._is_stopping:
                self._awake.wait(self._delay_s)
                self._awake.clear()
            batch = self._take(self._batch_max)
            if batch:
                self._send(batch)
            self._tell_losses()

    def _take(self, spans_max: int) -> list[Span]:
        taken: list[Span] = []
        with suppress(IndexError):
            while len(taken) < spans_max:
                taken.append(self._queue.popleft())
        return taken

    def _send(self, batch: Sequence[Span]) -> None:
        try:
            is_taken = self._sender.send(batch)
        except _UNSENDABLE as error:
            self._send_apart(batch, error)
            return
        if is_taken:
            self.tally.exported += len(batch)
        else:
            self.tally.failed += len(batch)

    def _send_apart(self, batch: Sequence[Span], error: Exception) -> None:
        # One span that cannot be sent costs itself and not its batch.
        if len(batch) > 1:
            middle = len(batch) // 2
            self._send(batch[:middle])
            self._send(batch[middle:])
            return
        self.tally.failed += 1
        # The text of the error may hold what a customer sent.
        self._reason = f"{type(error).__name__} in {batch[0].name!r}"

    def _tell_losses(self) -> None:
        now_s = self._now_s()
        is_told = self.tally.lost == self._lost_told or self._is_closed
        if is_told or now_s - self._told_s < _LOSS_LOG_INTERVAL_S:
            return
        self._lost_told = self.tally.lost
        self._told_s = now_s
        _log.warning(
            "spans lost", **asdict(self.tally), queued=len(self._queue), reason=self._reason
        )


def _tell_failure(span: Span) -> None:
    _log.warning(
        _FAILURES[span.kind],
        **log_ids(span.ref),
        span=span.name,
        exception_type=span.error_type,
        exception_message=span.error_text,
    )
