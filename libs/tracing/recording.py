"""Failures as records of OTLP: what the log says of a trace goes where the trace goes."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import structlog
from grpc import Compression

# The underscores are OpenTelemetry's own: its logs may still change, so its version is pinned.
from opentelemetry._logs import SeverityNumber
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    set_span_in_context,
)

from libs.tracing import names
from libs.tracing.context import SpanRef, parse_traceparent

_log = structlog.get_logger()

# So long may a text be: of the largest batch, 512 records, New Relic takes no more than 10^6 bytes.
_TEXT_CHARS_MAX = 1_000

# What the log calls a failure that is sent, and what its record is called.
_EVENTS = {
    "dead letter": names.DEAD_LETTER,
    names.SEND_EXCEPTION: names.SEND_EXCEPTION,
    names.PROCESS_EXCEPTION: names.PROCESS_EXCEPTION,
    names.DB_EXCEPTION: names.DB_EXCEPTION,
}
_TEXTS = {
    "exception_type": names.EXCEPTION_TYPE,
    "exception_message": names.EXCEPTION_MESSAGE,
    "topic": names.MESSAGING_DESTINATION,
    "partition": names.MESSAGING_PARTITION,
    "reason": names.DEAD_LETTER_REASON,
}


def log_ids(ref: SpanRef | None) -> dict[str, str]:
    """Give the fields by which a line of the log says of which span it is; none for `None`."""
    if ref is None:
        return {}
    return {
        "trace_id": f"{ref.trace_id:032x}",
        "span_id": f"{ref.span_id:016x}",
        "trace_flags": f"{ref.is_sampled:02x}",
    }


def carried_ids(traceparent: str) -> dict[str, str]:
    """Give those fields for the span that a record names; none if it names none."""
    return log_ids(parse_traceparent(traceparent))


@dataclass(slots=True)
class _Tally:
    """What became of the records that left the queue."""

    exported: int = 0
    failed: int = 0


class Recorder(logging.Handler):
    """Sends the failures that the log tells of, in batches, from a queue with a limit.

    The limit is `OTEL_BLRP_MAX_QUEUE_SIZE`; past it the oldest are dropped, and counted.
    """

    def __init__(self, resource: Resource, release: str, compression: Compression) -> None:
        super().__init__(logging.WARNING)
        self._taken = 0
        self._tally = _Tally()
        self._provider = LoggerProvider(resource, shutdown_on_exit=False)
        self._provider.add_log_record_processor(
            BatchLogRecordProcessor(_Exporter(self._tally, compression))
        )
        self._logger = self._provider.get_logger(names.SCOPE, release, names.SCHEMA_URL)
        logging.getLogger().addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line if it tells of a failure; never waits for a collector."""
        said = _fields(record)
        event = _EVENTS.get(said.get("event", ""))
        # A try that failed is told at once, without a trace, and again with each trace it is of.
        if event is None or (event == names.DB_EXCEPTION and "trace_id" not in said):
            return
        self._taken += 1
        self._logger.emit(
            timestamp=round(record.created * 1e9),
            context=_context(said),
            severity_number=SeverityNumber.WARN,
            severity_text=SeverityNumber.WARN.name,
            body=said["event"],
            attributes=_attributes(said),
            event_name=event,
        )

    def end(self) -> None:
        """Take no more, export what is left, and end; may hang."""
        logging.getLogger().removeHandler(self)
        self._provider.shutdown()

    def tell(self) -> None:
        """Say in the log what became of all records; what has not left by now is dropped."""
        tally = asdict(self._tally)
        dropped = self._taken - sum(tally.values())
        if self._tally.failed or dropped:
            _log.warning("log records lost", **tally, dropped=dropped)
        else:
            _log.info("log records exported", **tally, dropped=dropped)


class _Exporter(OTLPLogExporter):
    """The SDK's exporter, which counts."""

    def __init__(self, tally: _Tally, compression: Compression) -> None:
        super().__init__(compression=compression)
        self._tally = tally

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        result = super().export(batch)
        if result is LogRecordExportResult.SUCCESS:
            self._tally.exported += len(batch)
        else:
            self._tally.failed += len(batch)
        return result


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    """Read a line of ours; the lines of libraries are text, and have no fields."""
    message = cast("object", record.msg)
    return cast("Mapping[str, Any]", message) if isinstance(message, dict) else {}


def _context(said: Mapping[str, Any]) -> Context:
    if "trace_id" not in said:
        return Context()
    flags = TraceFlags(int(said["trace_flags"], 16))
    ids = int(said["trace_id"], 16), int(said["span_id"], 16)
    span = NonRecordingSpan(SpanContext(*ids, is_remote=False, trace_flags=flags))
    return set_span_in_context(span, Context())


def _attributes(said: Mapping[str, Any]) -> dict[str, str | int]:
    attributes: dict[str, str | int] = {
        name: str(said[field])[:_TEXT_CHARS_MAX]
        for field, name in _TEXTS.items()
        if said.get(field, "") != ""
    }
    if "offset" in said:
        attributes[names.MESSAGING_OFFSET] = said["offset"]
    return attributes
