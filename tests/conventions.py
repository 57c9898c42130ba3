"""What each span must look like: its kind, its attributes, whose it is, and what it hangs on.

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

_KAFKA = {names.MESSAGING_SYSTEM: "kafka"}
_READING: Types = {
    names.MESSAGING_SYSTEM: str,
    names.MESSAGING_DESTINATION: str,
    names.MESSAGING_PARTITION: str,
    names.MESSAGING_OFFSET: int,
    names.MESSAGING_GROUP: str,
    names.MESSAGING_CLIENT_ID: str,
}
_OPERATION: Types = {names.MESSAGING_OPERATION_NAME: str, names.MESSAGING_OPERATION_TYPE: str}
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
class Row:
    """The attributes that a thing must have and may have, and what some of them always say."""

    required: Types
    optional: Types = field(default_factory=dict[str, type])
    values: Attributes = field(default_factory=dict[str, object])


@dataclass(frozen=True)
class Place:
    """The span that one hangs on, and the one it is linked to, by name; empty for none."""

    parent: str
    link: str = ""


@dataclass(frozen=True)
class Convention:
    """What holds for the spans of one name: in each of the two shapes it has its place.

    `may_begin` says that it may hang on a span of somebody else, `may_link` that it may be linked
    to one.
    """

    kind: SpanKind
    services: tuple[str, ...]
    row: Row
    glass: Place
    chain: Place
    may_begin: bool = False
    may_link: bool = False


def _send(topic: str, writer: str, parent: str) -> Convention:
    row = Row(
        {
            names.MESSAGING_SYSTEM: str,
            **_OPERATION,
            names.MESSAGING_DESTINATION: str,
            names.MESSAGING_CLIENT_ID: str,
            names.RECORD_EVENTS: int,
        },
        {names.MESSAGING_PARTITION: str, names.MESSAGING_OFFSET: int, **_SEND_PARTS},
        {**_KAFKA, **dict.fromkeys(_OPERATION, "send"), names.MESSAGING_DESTINATION: topic},
    )
    return Convention(SpanKind.PRODUCER, (writer,), row, Place(parent), Place(parent))


def _queue(topic: str, reader: str) -> Convention:
    row = Row(
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
        {**_KAFKA, names.MESSAGING_DESTINATION: topic, names.MESSAGING_GROUP: reader},
    )
    glass, chain = Place(names.ROOT), Place(names.SEND.format(topic=topic))
    return Convention(SpanKind.INTERNAL, (reader,), row, glass, chain, may_begin=True)


def _process(topic: str, reader: str) -> Convention:
    row = Row(
        {
            **_READING,
            **_OPERATION,
            names.ORIGIN_EVENTS: int,
            names.RECORD_EVENTS: int,
            names.RECORD_ORIGINS: int,
            names.ATTEMPT: int,
        },
        {names.REDELIVERED: str},
        {
            **_KAFKA,
            **dict.fromkeys(_OPERATION, "process"),
            names.MESSAGING_DESTINATION: topic,
            names.MESSAGING_GROUP: reader,
        },
    )
    send = names.SEND.format(topic=topic)
    glass, chain = Place(names.ROOT, link=send), Place(send)
    return Convention(SpanKind.CONSUMER, (reader,), row, glass, chain, may_begin=True)


def _of_topic(topic: str, writer: str, reader: str, before: str) -> dict[str, Convention]:
    return {
        names.SEND.format(topic=topic): _send(topic, writer, before),
        names.QUEUE.format(topic=topic): _queue(topic, reader),
        names.PROCESS.format(topic=topic): _process(topic, reader),
    }


def _of_database(operation: str, types: Types) -> Convention:
    row = Row(types, values={names.DB_SYSTEM: "postgresql", names.DB_OPERATION: operation})
    place = Place(names.PROCESS.format(topic=SINK.reads))
    return Convention(SpanKind.CLIENT, (SINK.stage,), row, place, place)


def _of_replay(topic: str) -> dict[str, Convention]:
    where: Types = {names.MESSAGING_PARTITION: str, names.MESSAGING_OFFSET: int}
    said = {**_KAFKA, names.MESSAGING_DESTINATION: topic}
    begun = Row(
        {
            names.MESSAGING_SYSTEM: str,
            **_OPERATION,
            names.MESSAGING_DESTINATION: str,
            names.MESSAGING_CLIENT_ID: str,
            names.RECORD_EVENTS: int,
            names.DEAD_LETTER_REASON: str,
            **where,
        },
        _SEND_PARTS,
        {**said, **dict.fromkeys(_OPERATION, "send")},
    )
    way_on = Row({names.MESSAGING_SYSTEM: str, names.MESSAGING_DESTINATION: str, **where}, {}, said)
    root, operator = Place(names.ROOT), (names.OPERATOR_SERVICE,)
    replay, replayed = names.REPLAY.format(topic=topic), names.REPLAYED.format(topic=topic)
    linked = Place(names.ROOT, replay)
    return {
        replay: Convention(
            SpanKind.PRODUCER, operator, begun, root, root, may_begin=True, may_link=True
        ),
        replayed: Convention(SpanKind.INTERNAL, operator, way_on, linked, linked, may_begin=True),
    }


CONVENTIONS: dict[str, Convention] = {
    names.ROOT: Convention(
        SpanKind.INTERNAL,
        (names.PIPELINE_SERVICE,),
        Row(
            {
                names.SHAPE: str,
                names.TENANT: str,
                names.REQUEST_EVENTS: int,
                names.EVENTS_STORED: int,
                names.EVENTS_ALREADY_THERE: int,
                names.EVENTS_DEAD_LETTERED: int,
            },
            {names.DEAD_LETTER_REASON: str, names.REDELIVERED: str},
        ),
        Place(""),
        Place(""),
        may_begin=True,
    ),
    names.SERVER: Convention(
        SpanKind.SERVER,
        (INGEST.stage,),
        Row(
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
            {names.HTTP_METHOD: "POST"},
        ),
        Place(names.ROOT),
        Place(names.ROOT),
        may_link=True,
    ),
    **_of_topic(INGEST.writes, INGEST.stage, NORMALIZE.stage, names.SERVER),
    **_of_topic(
        NORMALIZE.writes,
        NORMALIZE.stage,
        DECORATE.stage,
        names.PROCESS.format(topic=NORMALIZE.reads),
    ),
    **_of_topic(
        DECORATE.writes, DECORATE.stage, SINK.stage, names.PROCESS.format(topic=DECORATE.reads)
    ),
    **_of_replay(INGEST.writes),
    **_of_replay(NORMALIZE.writes),
    **_of_replay(DECORATE.writes),
    f"{names.COPY} event": _of_database(names.COPY, {**_DATABASE, **_OF_TABLE}),
    f"{names.INSERT} event": _of_database(names.INSERT, {**_DATABASE, **_OF_TABLE}),
    names.COMMIT: _of_database(names.COMMIT, _DATABASE),
    names.CONNECT: _of_database(names.CONNECT, _DATABASE),
}

_TOPIC: Types = {names.MESSAGING_SYSTEM: str, names.MESSAGING_DESTINATION: str}
_GROUP: Types = {**_TOPIC, names.MESSAGING_GROUP: str}

# The attributes of each measure; all of them are in seconds but for the two that count. Of what
# failed each has `error.type`, too.
MEASURES: dict[str, Types] = {
    names.PIPELINE_DURATION: {},
    names.HOP_QUEUE_DURATION: {**_GROUP, names.QUEUE_PART: str},
    names.HOP_SEND_DURATION: {**_TOPIC, names.SEND_PART: str},
    names.PROCESS_DURATION: {**_GROUP, names.MESSAGING_OPERATION_NAME: str},
    names.CONSUMED_MESSAGES: {**_GROUP, names.MESSAGING_OPERATION_NAME: str},
    names.CLIENT_OPERATION_DURATION: {**_TOPIC, **_OPERATION},
    names.SENT_MESSAGES: {**_TOPIC, **_OPERATION},
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
COUNTERS = {names.SENT_MESSAGES, names.CONSUMED_MESSAGES}

_EXCEPTION = Row({names.EXCEPTION_TYPE: str}, {names.EXCEPTION_MESSAGE: str})

# The attributes of each log record.
RECORDS: dict[str, Row] = {
    names.SEND_EXCEPTION: _EXCEPTION,
    names.PROCESS_EXCEPTION: _EXCEPTION,
    names.DB_EXCEPTION: _EXCEPTION,
    names.DEAD_LETTER: Row(
        {
            names.MESSAGING_DESTINATION: str,
            names.MESSAGING_PARTITION: str,
            names.MESSAGING_OFFSET: int,
            names.DEAD_LETTER_REASON: str,
        }
    ),
}

RESOURCE = Row(
    {
        names.SERVICE_NAME: str,
        names.SERVICE_NAMESPACE: str,
        names.SERVICE_INSTANCE: str,
        names.SERVICE_VERSION: str,
        names.HOST_ID: str,
        names.HOST_IP: str,
        "telemetry.sdk.language": str,
        "telemetry.sdk.name": str,
        "telemetry.sdk.version": str,
    },
    values={names.SERVICE_NAMESPACE: names.NAMESPACE},
)


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
    yield from attribute_violations(name, convention.row, attributes, _ALWAYS)


def attribute_violations(
    what: str, row: Row, attributes: Attributes, always: Types | None = None
) -> Iterator[str]:
    """Say which attributes a row does not allow, and which of its own are not there."""
    known = {**(always or {}), **row.optional, **row.required}
    for attribute in row.required.keys() - attributes.keys():
        yield f"{what}: lacks {attribute}"
    for attribute, value in attributes.items():
        if attribute not in known:
            yield f"{what}: has {attribute}, which is not declared"
        elif type(value) is not known[attribute]:
            yield f"{what}: {attribute} is {value!r}, must be {known[attribute].__name__}"
        elif value != row.values.get(attribute, value):
            yield f"{what}: {attribute} is {value!r}, must be {row.values[attribute]!r}"


def declared_attributes() -> set[str]:
    """Every attribute that some span, measure or record may have."""
    rows = [*(convention.row for convention in CONVENTIONS.values()), *RECORDS.values()]
    of_rows = {name for row in rows for name in {**row.required, **row.optional}}
    return {*_ALWAYS, *of_rows, *(name for types in MEASURES.values() for name in types)}


def constants() -> set[str]:
    """Every name in `libs/tracing/names.py` that has the form of an attribute."""
    form = re.compile(r"[a-z]+(\.[a-z_]+)+")
    texts = [text for key, text in vars(names).items() if key.isupper() and isinstance(text, str)]
    return {text for text in texts if form.fullmatch(text)}
