"""What each span must look like: its kind, its attributes with their types, and whose it is.

Semantic conventions 1.44.0 for messaging, databases and HTTP; ours live under `ttg.`. A span that
is not here, or an attribute that its row does not have, is a defect.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from opentelemetry.trace import SpanKind

from libs.tracing import names
from services.topology import DECORATE, INGEST, NORMALIZE, SINK

Attributes = Mapping[str, object]
Types = dict[str, type]

# On any span.
_ALWAYS: Types = {names.ERROR_TYPE: str, names.RETRO: bool}

_READING: Types = {
    names.MESSAGING_SYSTEM: str,
    names.MESSAGING_DESTINATION: str,
    names.MESSAGING_PARTITION: str,
    names.MESSAGING_OFFSET: int,
    names.MESSAGING_GROUP: str,
    names.MESSAGING_CLIENT_ID: str,
}
_SENDING: Types = {
    names.MESSAGING_SYSTEM: str,
    names.MESSAGING_OPERATION_NAME: str,
    names.MESSAGING_OPERATION_TYPE: str,
    names.MESSAGING_DESTINATION: str,
    names.MESSAGING_CLIENT_ID: str,
    names.RECORD_EVENTS: int,
}
_SEND_PARTS: Types = {
    names.SEND_AGGREGATE_SECONDS: float,
    names.SEND_BUFFER_SECONDS: float,
    names.SEND_ACK_SECONDS: float,
}
_DATABASE: Types = {
    names.DB_SYSTEM: str,
    names.DB_NAMESPACE: str,
    names.DB_OPERATION: str,
    names.DB_SUMMARY: str,
}
_OF_TABLE: Types = {names.DB_COLLECTION: str, names.DB_BATCH_SIZE: int}


@dataclass(frozen=True)
class Convention:
    """What holds for the spans of one name."""

    kind: SpanKind
    services: tuple[str, ...]
    required: Types
    optional: Types = field(default_factory=dict[str, type])


def _of_topic(topic: str, reader: str, writer: str) -> dict[str, Convention]:
    return {
        names.SEND.format(topic=topic): Convention(
            SpanKind.PRODUCER,
            (writer,),
            _SENDING,
            {names.MESSAGING_PARTITION: str, names.MESSAGING_OFFSET: int, **_SEND_PARTS},
        ),
        names.QUEUE.format(topic=topic): Convention(
            SpanKind.INTERNAL,
            (reader,),
            {**_READING, names.QUEUE_SECONDS: float},
            {
                names.LAG_RECORDS: int,
                names.QUEUE_LOG_SECONDS: float,
                names.QUEUE_FETCH_SECONDS: float,
                names.QUEUE_PREFETCH_SECONDS: float,
                names.QUEUE_SLOT_SECONDS: float,
                names.CLOCK_SKEW_SECONDS: float,
                names.REDELIVERED: str,
            },
        ),
        names.PROCESS.format(topic=topic): Convention(
            SpanKind.CONSUMER,
            (reader,),
            {
                **_READING,
                names.MESSAGING_OPERATION_NAME: str,
                names.MESSAGING_OPERATION_TYPE: str,
                names.ORIGIN_EVENTS: int,
                names.RECORD_EVENTS: int,
                names.RECORD_ORIGINS: int,
                names.ATTEMPT: int,
            },
            {names.REDELIVERED: str},
        ),
    }


def _of_replay(topic: str) -> dict[str, Convention]:
    sent = _SENDING | {names.DEAD_LETTER_REASON: str}
    place: Types = {names.MESSAGING_PARTITION: str, names.MESSAGING_OFFSET: int}
    way_on: Types = {names.MESSAGING_SYSTEM: str, names.MESSAGING_DESTINATION: str, **place}
    operator = (names.OPERATOR_SERVICE,)
    return {
        names.REPLAY.format(topic=topic): Convention(
            SpanKind.PRODUCER, operator, {**sent, **place}, _SEND_PARTS
        ),
        names.REPLAYED.format(topic=topic): Convention(SpanKind.INTERNAL, operator, way_on),
    }


CONVENTIONS: dict[str, Convention] = {
    names.ROOT: Convention(
        SpanKind.INTERNAL,
        (names.PIPELINE_SERVICE,),
        {
            names.SHAPE: str,
            names.TENANT: str,
            names.REQUEST_EVENTS: int,
            names.EVENTS_STORED: int,
            names.EVENTS_ALREADY_THERE: int,
            names.EVENTS_DEAD_LETTERED: int,
        },
        {names.DEAD_LETTER_REASON: str},
    ),
    names.SERVER: Convention(
        SpanKind.SERVER,
        (INGEST.stage,),
        {
            names.HTTP_METHOD: str,
            names.HTTP_ROUTE: str,
            names.HTTP_STATUS: int,
            names.URL_PATH: str,
            names.URL_SCHEME: str,
            names.TENANT: str,
            names.ORIGIN_EVENTS: int,
        },
        {names.HTTP_BODY_BYTES: int},
    ),
    **_of_topic(INGEST.writes, NORMALIZE.stage, INGEST.stage),
    **_of_topic(NORMALIZE.writes, DECORATE.stage, NORMALIZE.stage),
    **_of_topic(DECORATE.writes, SINK.stage, DECORATE.stage),
    **_of_replay(INGEST.writes),
    **_of_replay(NORMALIZE.writes),
    **_of_replay(DECORATE.writes),
    f"{names.COPY} event": Convention(SpanKind.CLIENT, (SINK.stage,), {**_DATABASE, **_OF_TABLE}),
    f"{names.INSERT} event": Convention(SpanKind.CLIENT, (SINK.stage,), {**_DATABASE, **_OF_TABLE}),
    names.COMMIT: Convention(SpanKind.CLIENT, (SINK.stage,), _DATABASE),
    names.CONNECT: Convention(SpanKind.CLIENT, (SINK.stage,), _DATABASE),
}

_TOPIC: Types = {names.MESSAGING_SYSTEM: str, names.MESSAGING_DESTINATION: str}
_GROUP: Types = {**_TOPIC, names.MESSAGING_GROUP: str}

# The attributes of each measure; all of them are in seconds but for the two that count.
MEASURES: dict[str, Types] = {
    names.PIPELINE_DURATION: {},
    names.HOP_QUEUE_DURATION: {**_GROUP, names.QUEUE_PART: str},
    names.HOP_SEND_DURATION: {**_TOPIC, names.SEND_PART: str},
    names.PROCESS_DURATION: {**_GROUP, names.MESSAGING_OPERATION_NAME: str},
    names.CONSUMED_MESSAGES: {**_GROUP, names.MESSAGING_OPERATION_NAME: str},
    names.CLIENT_OPERATION_DURATION: {
        **_TOPIC,
        names.MESSAGING_OPERATION_NAME: str,
        names.MESSAGING_OPERATION_TYPE: str,
    },
    names.SENT_MESSAGES: {
        **_TOPIC,
        names.MESSAGING_OPERATION_NAME: str,
        names.MESSAGING_OPERATION_TYPE: str,
    },
    names.HTTP_REQUEST_DURATION: {
        names.HTTP_METHOD: str,
        names.HTTP_ROUTE: str,
        names.HTTP_STATUS: int,
        names.URL_SCHEME: str,
    },
    names.DB_OPERATION_DURATION: {
        names.DB_SYSTEM: str,
        names.DB_NAMESPACE: str,
        names.DB_OPERATION: str,
    },
}

RESOURCE: Types = {
    names.SERVICE_NAME: str,
    names.SERVICE_NAMESPACE: str,
    names.SERVICE_INSTANCE: str,
    names.SERVICE_VERSION: str,
    names.HOST_ID: str,
    names.HOST_IP: str,
    "telemetry.sdk.language": str,
    "telemetry.sdk.name": str,
    "telemetry.sdk.version": str,
}


def violations(name: str, kind: SpanKind, service: str, attributes: Attributes) -> Iterator[str]:
    """Say everything about a span that its convention does not allow; nothing if it conforms."""
    convention = CONVENTIONS.get(name)
    if convention is None:
        yield f"{name}: no such span is declared"
        return
    if kind is not convention.kind:
        yield f"{name}: is {kind.name}, must be {convention.kind.name}"
    if service not in convention.services:
        yield f"{name}: is of {service}, must be of {convention.services}"
    known = {**_ALWAYS, **convention.optional, **convention.required}
    for attribute in convention.required.keys() - attributes.keys():
        yield f"{name}: lacks {attribute}"
    for attribute, value in attributes.items():
        if attribute not in known:
            yield f"{name}: has {attribute}, which is not declared"
        elif not _is_of(value, known[attribute]):
            yield f"{name}: {attribute} is {value!r}, must be {known[attribute].__name__}"


def _is_of(value: object, wanted: type) -> bool:
    return type(value) is wanted


def declared_attributes() -> set[str]:
    """Every attribute that some span or measure may have."""
    rows = CONVENTIONS.values()
    of_spans = {name for row in rows for name in {**row.required, **row.optional}}
    return {*_ALWAYS, *of_spans, *(name for types in MEASURES.values() for name in types)}


def constants() -> set[str]:
    """Every name in `libs/tracing/names.py` that has the form of an attribute."""
    form = re.compile(r"[a-z]+(\.[a-z_]+)+")
    texts = [text for key, text in vars(names).items() if key.isupper() and isinstance(text, str)]
    return {text for text in texts if form.fullmatch(text)}
