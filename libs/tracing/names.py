"""Every span, attribute and header name the project emits, in one place.

Semantic conventions v1.44.0; what is ours alone lives under `ttg.`.
"""

from __future__ import annotations

from opentelemetry.semconv.schemas import Schemas

SCHEMA_URL = Schemas.V1_44_0.value
SCOPE = "ttg"
NAMESPACE = "ttg"
PIPELINE_SERVICE = "pipeline"
OPERATOR_SERVICE = "ttg"

# Headers of a record; each is replaced at every hop, never appended.
TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"
TRAIL = "ttg-trail"
TRACESTATE_MEMBER = "ttg"
# Of a record that was sent again as it is: where the one was that died.
REPLAY_OF = "ttg-replay-of"

# Spans; those of COPY and INSERT have the name of the table behind them.
ROOT = "time to glass"
SERVER = "POST /v1/events"
SEND = "send {topic}"
QUEUE = "queue {topic}"
PROCESS = "process {topic}"
COPY = "COPY"
INSERT = "INSERT"
COMMIT = "COMMIT"
CONNECT = "CONNECT"
# A dead letter that is sent again: in its new trace, and in the one it died in.
REPLAY = "replay {topic}"
REPLAYED = "replayed to {topic}"

# Attributes of the semantic conventions.
ERROR_TYPE = "error.type"
HTTP_METHOD = "http.request.method"
HTTP_ROUTE = "http.route"
HTTP_STATUS = "http.response.status_code"
HTTP_BODY_BYTES = "http.request.body.size"
URL_PATH = "url.path"
URL_SCHEME = "url.scheme"
MESSAGING_SYSTEM = "messaging.system"
MESSAGING_OPERATION_NAME = "messaging.operation.name"
MESSAGING_OPERATION_TYPE = "messaging.operation.type"
MESSAGING_DESTINATION = "messaging.destination.name"
MESSAGING_PARTITION = "messaging.destination.partition.id"
MESSAGING_OFFSET = "messaging.kafka.offset"
MESSAGING_GROUP = "messaging.consumer.group.name"
MESSAGING_CLIENT_ID = "messaging.client.id"
DB_SYSTEM = "db.system.name"
DB_NAMESPACE = "db.namespace"
DB_COLLECTION = "db.collection.name"
DB_OPERATION = "db.operation.name"
DB_BATCH_SIZE = "db.operation.batch.size"
DB_SUMMARY = "db.query.summary"

# Attributes of a resource.
SERVICE_NAME = "service.name"
SERVICE_NAMESPACE = "service.namespace"
SERVICE_INSTANCE = "service.instance.id"
SERVICE_VERSION = "service.version"
HOST_ID = "host.id"
# Jaeger before 2.14 tells hosts apart by this, and not by `host.id`.
HOST_IP = "ip"

# Measures: those of the semantic conventions, and ours.
PROCESS_DURATION = "messaging.process.duration"
CLIENT_OPERATION_DURATION = "messaging.client.operation.duration"
SENT_MESSAGES = "messaging.client.sent.messages"
CONSUMED_MESSAGES = "messaging.client.consumed.messages"
HTTP_REQUEST_DURATION = "http.server.request.duration"
DB_OPERATION_DURATION = "db.client.operation.duration"
PIPELINE_DURATION = "ttg.pipeline.duration"
HOP_QUEUE_DURATION = "ttg.hop.queue.duration"
HOP_SEND_DURATION = "ttg.hop.send.duration"

# Records of failures, and what they say of an exception.
SEND_EXCEPTION = "messaging.send.exception"
PROCESS_EXCEPTION = "messaging.process.exception"
DB_EXCEPTION = "db.client.operation.exception"
DEAD_LETTER = "ttg.dead_letter"
EXCEPTION_TYPE = "exception.type"
EXCEPTION_MESSAGE = "exception.message"

# Attributes of ours; those that end in `part` are of measures.
SHAPE = "ttg.shape"
RETRO = "ttg.retro"
REDELIVERED = "ttg.redelivered"
TENANT = "ttg.tenant"
ATTEMPT = "ttg.attempt"
LAG_RECORDS = "ttg.lag.records"
QUEUE_SECONDS = "ttg.queue.duration"
QUEUE_LOG_SECONDS = "ttg.queue.log.duration"
QUEUE_FETCH_SECONDS = "ttg.queue.fetch.duration"
QUEUE_PREFETCH_SECONDS = "ttg.queue.prefetch.duration"
QUEUE_SLOT_SECONDS = "ttg.queue.slot.duration"
CLOCK_SKEW_SECONDS = "ttg.clock.skew"
QUEUE_PART = "ttg.queue.part"
SEND_AGGREGATE_SECONDS = "ttg.send.aggregate.duration"
SEND_BUFFER_SECONDS = "ttg.send.buffer.duration"
SEND_ACK_SECONDS = "ttg.send.ack.duration"
SEND_PART = "ttg.send.part"
RECORD_EVENTS = "ttg.record.events"
RECORD_ORIGINS = "ttg.record.origins"
ORIGIN_EVENTS = "ttg.origin.events"
REQUEST_EVENTS = "ttg.request.events"
EVENTS_STORED = "ttg.events.stored"
EVENTS_DEAD_LETTERED = "ttg.events.dead_lettered"
EVENTS_ALREADY_THERE = "ttg.events.already_there"
DEAD_LETTER_REASON = "ttg.dead_letter.reason"
