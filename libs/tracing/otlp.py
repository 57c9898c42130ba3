"""Spans as OTLP: encoded straight from their facts, at a fraction of what the SDK's way costs.

The messages are those of opentelemetry/proto/trace/v1/trace.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import islice

from opentelemetry.proto.trace.v1.trace_pb2 import Status
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import SpanKind
from opentelemetry.util.types import AnyValue

from libs.tracing import names, wire
from libs.tracing.context import SpanRef
from libs.tracing.host import host_id, host_ip
from libs.tracing.settings import ExportSettings
from libs.tracing.spans import Shared, Source, Span

# Replicas come and go; those that are gone need no resource any more.
_RESOURCES_MAX = 1_024
_NAMES_MAX = 256

# Fields by their number and type.
_RESOURCE_SPANS = b"\x0a"
_OF_RESOURCE, _SCOPE_SPANS, _SCHEMA_OF_RESOURCE = b"\x0a", b"\x12", b"\x1a"
_RESOURCE_ATTRIBUTES = b"\x0a"
_SCOPE, _SPANS, _SCHEMA_OF_SCOPE = b"\x0a", b"\x12", b"\x1a"
_SCOPE_NAME, _SCOPE_VERSION = b"\x0a", b"\x12"
_TRACE_ID, _SPAN_ID, _PARENT_ID = b"\x0a\x10", b"\x12\x08", b"\x22\x08"
_NAME, _KIND, _ATTRIBUTES, _DROPPED = b"\x2a", b"\x30", b"\x4a", b"\x50"
_START, _END = 0x39, 0x41
_LINKS = b"\x6a"
_STATUS, _STATUS_MESSAGE, _STATUS_CODE = b"\x7a", b"\x12", b"\x18"
_UNSET = wire.field(_STATUS, b"")
_ERROR = _STATUS_CODE + wire.varint(Status.STATUS_CODE_ERROR)

_pack_times = struct.Struct("<BQBQ").pack


class Encoder:
    """Makes requests of spans, each span under the resource of the process it is of."""

    def __init__(self, own: Source, version: str, settings: ExportSettings) -> None:
        self._own = own
        self._version = version
        self._attributes_max = settings.attributes_max
        self._chars_max = settings.chars_max
        self._of_spans = wire.Attributes(_ATTRIBUTES, settings.chars_max)
        self._around: dict[Source, tuple[bytes, bytes]] = {}

    def encode(self, spans: Iterable[Span]) -> bytes:
        """Encode spans of any processes as one request.

        Raises `TypeError`, `ValueError`, `OverflowError` or `struct.error` for what has none.
        """
        places: dict[Source, list[bytes]] = {}
        for span in spans:
            places.setdefault(span.source or self._own, []).append(self._span(span))
        return b"".join(self._resource_spans(source, spans) for source, spans in places.items())

    def _resource_spans(self, source: Source, spans: list[bytes]) -> bytes:
        of_resource, of_scope = self._describe(source)
        in_scope = b"".join((of_scope, *(wire.field(_SPANS, span) for span in spans)))
        return wire.field(_RESOURCE_SPANS, of_resource + wire.field(_SCOPE_SPANS, in_scope))

    def _span(self, span: Span) -> bytes:
        ref = span.ref
        # A clock that was set back must not make a negative time, and Jaeger warns of none at all.
        end_us = max(span.end_us, span.start_us + 1)
        parts = [
            _TRACE_ID,
            ref.trace_id.to_bytes(16),
            _SPAN_ID,
            ref.span_id.to_bytes(8),
            _name(span.name, span.kind),
            _pack_times(_START, span.start_us * 1000, _END, end_us * 1000),
            self._attributes(span),
            self._status(span),
        ]
        if span.parent_id:
            parts += (_PARENT_ID, span.parent_id.to_bytes(8))
        parts += map(_link, span.links)
        return b"".join(parts)

    def _status(self, span: Span) -> bytes:
        if not span.error_type:
            return _UNSET
        message = (span.error_text or span.error_type)[: self._chars_max]
        return wire.field(_STATUS, wire.field(_STATUS_MESSAGE, message.encode()) + _ERROR)

    def _attributes(self, span: Span) -> bytes:
        if span.error_type:
            # First, where no limit leaves it out.
            return self._within_limit({names.ERROR_TYPE: span.error_type, **span.attributes})
        if span.shared.count + len(span.own) > self._attributes_max:
            return self._within_limit(span.attributes)
        return self._shared(span.shared) + self._of_spans.encode(span.own)

    def _shared(self, shared: Shared) -> bytes:
        if shared.encoded is None:
            of_base = self._shared(shared.base) if shared.base else b""
            shared.encoded = of_base + self._of_spans.encode(shared.attributes)
        return shared.encoded

    def _within_limit(self, attributes: Mapping[str, AnyValue]) -> bytes:
        kept = dict(islice(attributes.items(), self._attributes_max))
        encoded = self._of_spans.encode(kept)
        dropped = len(attributes) - len(kept)
        return encoded + _DROPPED + wire.varint(dropped) if dropped else encoded

    def _describe(self, source: Source) -> tuple[bytes, bytes]:
        """Encode what stands around the spans of a process: its resource, and our scope."""
        found = self._around.get(source)
        if found is None:
            if len(self._around) >= _RESOURCES_MAX:
                self._around.clear()
            found = self._around[source] = (self._of_resource(source), self._of_scope())
        return found

    def _of_resource(self, source: Source) -> bytes:
        said = resource(source, self._version).attributes
        encoded = wire.Attributes(_RESOURCE_ATTRIBUTES, self._chars_max).encode(said)
        schema = wire.field(_SCHEMA_OF_RESOURCE, names.SCHEMA_URL.encode())
        return wire.field(_OF_RESOURCE, encoded) + schema

    def _of_scope(self) -> bytes:
        scope = wire.field(_SCOPE_NAME, names.SCOPE.encode())
        scope += wire.field(_SCOPE_VERSION, self._version.encode())
        schema = wire.field(_SCHEMA_OF_SCOPE, names.SCHEMA_URL.encode())
        return wire.field(_SCOPE, scope) + schema


def resource(source: Source, version: str) -> Resource:
    """Say of which process spans are, and what `OTEL_RESOURCE_ATTRIBUTES` adds to that."""
    attributes = {
        names.SERVICE_NAME: source.service,
        names.SERVICE_NAMESPACE: names.NAMESPACE,
        names.SERVICE_INSTANCE: source.instance,
        names.SERVICE_VERSION: version,
    }
    if source.host:
        attributes[names.HOST_ID] = source.host
    if source.host == host_id():
        attributes[names.HOST_IP] = host_ip()
    return Resource.create(attributes, schema_url=names.SCHEMA_URL)


@lru_cache(maxsize=_NAMES_MAX)
def _name(name: str, kind: SpanKind) -> bytes:
    # OTLP keeps 0 for a kind that is not said.
    return wire.field(_NAME, name.encode()) + _KIND + wire.varint(kind.value + 1)


def _link(ref: SpanRef) -> bytes:
    ids = _TRACE_ID + ref.trace_id.to_bytes(16) + _SPAN_ID + ref.span_id.to_bytes(8)
    return wire.field(_LINKS, ids)
