"""Dead letters as a stage writes them, for the tests of the operator's commands."""

from __future__ import annotations

from typing import Any

from libs import tracing
from libs.events import Origin, RawBatch, RawEvent, encode
from libs.kafka import Headers, Record

# What a producer may set for the value of a header, and Kafka keeps.
NULL: Any = None
REASON = "1e308 TB is too large for a number of By"


def origin(first: int, count: int, **others: object) -> Origin:
    """A sampled request of the door, of which this is one part."""
    request = tracing.begin(1_700_000_000_000_123, is_sampled=True)
    fields = {"tenant": "default", "received_us": request.received_us, "first": first}
    context = {"traceparent": request.traceparent(7), "tracestate": request.tracestate}
    return Origin(**{**fields, "count": count, "total": 9, **context, **others})  # type: ignore[arg-type]


def batch(*names: str, **of_origin: object) -> RawBatch:
    """One origin with an event of each name."""
    events = [
        RawEvent(f"00000000-0000-4000-8000-{n:012}", name, 1.0) for n, name in enumerate(names)
    ]
    return RawBatch(origins=[origin(0, len(names), **of_origin)], events=events)


def record(
    value: bytes | RawBatch | None,
    *others: tuple[str, bytes],
    offset: int = 17,
    appended_us: int = 5_000_000,
    reason: str = REASON,
) -> Record:
    """A record of `events.raw.dlq`; `offset` is that of the record that died."""
    context: Headers = []
    if isinstance(value, RawBatch):
        first = value.origins[0]
        context = [("traceparent", first.traceparent.encode())]
        value = encode(value)
    told = [
        ("dlq.stage", b"normalize"),
        ("dlq.error.message", reason.encode()),
        ("dlq.orig.topic", b"events.raw"),
        ("dlq.orig.partition", b"3"),
        ("dlq.orig.offset", str(offset).encode()),
        ("dlq.orig.timestamp", b"1700000000000"),
    ]
    headers = [*context, *others, *told]
    return Record("events.raw.dlq", 3, 1, appended_us, 0, 0, b"key", value, headers)
