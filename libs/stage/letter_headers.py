"""The headers of a dead letter that say where its record died, and why."""

from __future__ import annotations

PREFIX = "dlq."
STAGE = "dlq.stage"
REASON = "dlq.error.message"
TOPIC = "dlq.orig.topic"
PARTITION = "dlq.orig.partition"
OFFSET = "dlq.orig.offset"
# Kafka's own, in ms: the ids of a foreign record's events are made with it.
TIMESTAMP = "dlq.orig.timestamp"
# Only of a value that was cut: how large the whole is.
VALUE_BYTES = "dlq.value.bytes"
