"""The task that every peer is given: one event a record, our rules, and a table to store into.

The rules and the codec are those of our stages, so that each does the same work for an event.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from libs.events import DecoratedEvent, NormalBatch, NormalEvent, Origin, RawBatch, RawEvent
from services.decorate.rules import Entities, decorate
from services.normalize.rules import normalize

COLUMNS = (
    *("event_id", "name", "value", "unit", "timestamp", "attributes"),
    *("owner", "team", "region"),
)
_TRACEPARENT = f"00-{1:032x}-{1:016x}-00"
_ENTITIES = Path(__file__).parents[3] / "deploy" / "entities.json"

_encoder = msgspec.json.Encoder()
_raw = msgspec.json.Decoder(RawEvent)
_normal = msgspec.json.Decoder(NormalEvent)
_decorated = msgspec.json.Decoder(DecoratedEvent)


@dataclass(frozen=True, slots=True)
class Place:
    """Where one stage of a peer reads and writes; it stores if it has no topic to write to."""

    stage: str
    servers: str
    reads: str
    writes: str
    database_url: str
    table: str

    @property
    def group(self) -> str:
        """Name the consumer group."""
        return f"{self.reads}.{self.stage}"

    @property
    def service(self) -> str:
        """Name the service in its traces, so that none is taken for one of ours."""
        return f"{self.table}.{self.stage}"


def place() -> Place:
    """Read from the command line which stage this is, and from the environment where it stands."""
    stage = sys.argv[1]
    raw, normalized, decorated = os.environ["PEER_TOPICS"].split(",")
    sides = {
        "normalize": (raw, normalized),
        "decorate": (normalized, decorated),
        "sink": (decorated, ""),
    }
    reads, writes = sides[stage]
    return Place(
        stage=stage,
        servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
        reads=reads,
        writes=writes,
        database_url=os.environ["DATABASE_URL"],
        table=os.environ["PEER_TABLE"],
    )


def is_traced() -> bool:
    """Whether spans are made at all."""
    return os.environ.get("OTEL_SDK_DISABLED") != "true"


def say_ready() -> None:
    """Tell the bench that this stage is ready to work."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def work(stage: str) -> Callable[[bytes | None], bytes]:
    """Return what normalize or decorate does with a record's value."""
    if stage == "normalize":
        return lambda value: _encoder.encode(normalized(_raw.decode(value or b"")))
    entities = known_entities()
    return lambda value: _encoder.encode(decorated(_normal.decode(value or b""), entities))


def normalized(event: RawEvent) -> NormalEvent:
    """Apply the rules of normalize; no event of the bench is rejected."""
    (normal,) = normalize(RawBatch(origins=_one_event(), events=[event])).batch.events
    return normal


def decorated(event: NormalEvent, entities: Entities) -> DecoratedEvent:
    """Apply the rules of decorate."""
    (known,) = decorate(NormalBatch(origins=_one_event(), events=[event]), entities).events
    return known


def known_entities() -> Entities:
    """Read the entities that our stage knows too."""
    return msgspec.json.decode(_ENTITIES.read_bytes(), type=Entities)


def row(value: bytes | None) -> tuple[Any, ...]:
    """Return what the table holds of a record's value, as asyncpg takes it."""
    event = _decorated.decode(value or b"")
    return (
        event.event_id,
        event.name,
        event.value,
        event.unit,
        datetime.fromisoformat(event.timestamp),
        _encoder.encode(event.attributes).decode(),
        event.owner,
        event.team,
        event.region,
    )


def insert(table: str) -> str:
    """Write the statement that stores one event, once."""
    values = ", ".join(f"${number}" for number in range(1, len(COLUMNS) + 1))
    columns = ", ".join(COLUMNS)
    return f"insert into {table} ({columns}) values ({values}) on conflict do nothing"  # noqa: S608


def definition(table: str) -> Sequence[str]:
    """Write the table, with the key and the index that ours has."""
    return (
        f"create table {table} (event_id uuid primary key, name text not null,"
        " value float8 not null, unit text, timestamp timestamptz not null,"
        " attributes jsonb not null, owner text, team text, region text,"
        " stored_at timestamptz not null default clock_timestamp())",
        f"create index on {table} (name, timestamp desc)",
    )


def _one_event() -> list[Origin]:
    return [Origin("demo", 0, 0, 1, 1, _TRACEPARENT)]
