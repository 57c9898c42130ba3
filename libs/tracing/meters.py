"""Measures of all requests, sampled or not: histograms and counters with traces behind them."""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.metrics import Histogram, Meter, NoOpMeterProvider
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context
from opentelemetry.util.types import AttributeValue

from libs.tracing import names
from libs.tracing.context import SpanRef
from libs.tracing.facts import Read, Stored, Written, queue_parts, send_parts

# Seconds, as the conventions advise for messaging, HTTP and databases.
_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_NOWHERE = Context()

Attributes = dict[str, AttributeValue]


class Meters:
    """The instruments of one process; one measure for a record, whatever it carries.

    Unless they `are_on`, which they are with a meter only, nothing is measured, at no cost.
    """

    def __init__(self, meter: Meter | None) -> None:
        self.are_on = meter is not None
        meter = meter or NoOpMeterProvider().get_meter(names.SCOPE)

        def seconds(name: str) -> Histogram:
            return meter.create_histogram(
                name, unit="s", explicit_bucket_boundaries_advisory=_BUCKETS_S
            )

        self._process = seconds(names.PROCESS_DURATION)
        self._operation = seconds(names.CLIENT_OPERATION_DURATION)
        self._request = seconds(names.HTTP_REQUEST_DURATION)
        self._database = seconds(names.DB_OPERATION_DURATION)
        self._queue = seconds(names.HOP_QUEUE_DURATION)
        self._send = seconds(names.HOP_SEND_DURATION)
        self._pipeline = seconds(names.PIPELINE_DURATION)
        self._sent = meter.create_counter(names.SENT_MESSAGES, unit="{message}")
        self._consumed = meter.create_counter(names.CONSUMED_MESSAGES, unit="{message}")

    def answered(self, status: int, took_us: int, exemplar: SpanRef | None) -> None:
        """Measure an answer of the door."""
        if not self.are_on:
            return
        attributes: Attributes = {
            names.HTTP_METHOD: "POST",
            names.HTTP_ROUTE: "/v1/events",
            names.HTTP_STATUS: status,
            names.URL_SCHEME: "http",
        }
        self._request.record(took_us / 1e6, attributes, context=_context(exemplar))

    def read(
        self, read: Read, ended_us: int, exemplar: SpanRef | None, error_type: str = ""
    ) -> None:
        """Measure the wait for a record, in its parts, and the work on it."""
        if not self.are_on:
            return
        topic: Attributes = {
            names.MESSAGING_SYSTEM: "kafka",
            names.MESSAGING_DESTINATION: read.topic,
            names.MESSAGING_GROUP: read.group,
        }
        context = _context(exemplar)
        for part, took_s in queue_parts(read).items():
            self._queue.record(took_s, {**topic, names.QUEUE_PART: part}, context=context)
        work: Attributes = {**topic, names.MESSAGING_OPERATION_NAME: "process"}
        self._consumed.add(1, {**topic, names.MESSAGING_OPERATION_NAME: "poll"}, context=context)
        if error_type:
            work[names.ERROR_TYPE] = error_type
        took_us = max(ended_us - read.started_us, 0)
        self._process.record(took_us / 1e6, work, context=context)

    def wrote(self, written: Written, exemplar: SpanRef | None) -> None:
        """Measure the send of a record, in its parts."""
        if not self.are_on:
            return
        topic: Attributes = {
            names.MESSAGING_SYSTEM: "kafka",
            names.MESSAGING_DESTINATION: written.topic,
        }
        send: Attributes = {
            **topic,
            names.MESSAGING_OPERATION_NAME: "send",
            names.MESSAGING_OPERATION_TYPE: "send",
        }
        if written.error_type:
            send[names.ERROR_TYPE] = written.error_type
        context = _context(exemplar)
        took_us = max(written.acked_us - written.handed_us, 0)
        self._operation.record(took_us / 1e6, send, context=context)
        self._sent.add(1, send, context=context)
        for part, took_s in send_parts(written).items():
            self._send.record(took_s, {**topic, names.SEND_PART: part}, context=context)

    def stored(self, stored: Stored, exemplar: SpanRef | None) -> None:
        """Measure what was asked of the database."""
        if not self.are_on:
            return
        context = _context(exemplar)
        for operation in stored.operations:
            attributes: Attributes = {
                names.DB_SYSTEM: "postgresql",
                names.DB_NAMESPACE: stored.namespace,
                names.DB_OPERATION: operation.name,
            }
            if operation.error_type:
                attributes[names.ERROR_TYPE] = operation.error_type
            took_us = max(operation.ended_us - operation.started_us, 0)
            self._database.record(took_us / 1e6, attributes, context=context)

    def reached_the_glass(self, took_us: int, exemplar: SpanRef | None) -> None:
        """Measure a request from its receipt to the commit of its events."""
        if not self.are_on:
            return
        self._pipeline.record(max(took_us, 0) / 1e6, context=_context(exemplar))


def no_meters() -> Meters:
    """Give the instruments of a process that measures nothing."""
    return Meters(None)


def _context(exemplar: SpanRef | None) -> Context:
    """Give the context in which a measure is taken: the SDK makes an exemplar of a sampled one."""
    if exemplar is None:
        return _NOWHERE
    flags = TraceFlags(TraceFlags.SAMPLED)
    of_span = SpanContext(exemplar.trace_id, exemplar.span_id, is_remote=False, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(of_span), _NOWHERE)
