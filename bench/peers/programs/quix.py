# pyright: basic, reportMissingImports=false
"""As the documentation of Quix Streams teaches; it has no tracing.

python -m bench.peers.programs.quix normalize
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec
from quixstreams import Application
from quixstreams.sinks.community.postgresql import PostgreSQLSink

from bench.peers.programs import task
from bench.peers.programs.task import Place
from libs.events import NormalEvent, RawEvent

# The default of 5 s is also how long an event would wait before it is stored.
_SINK_COMMIT_INTERVAL_S = 0.5
_COMMIT_INTERVAL_S = 5.0


def main() -> None:
    """Run one stage."""
    place = task.place()
    app = Application(
        broker_address=place.servers,
        consumer_group=place.group,
        auto_offset_reset="earliest",
        auto_create_topics=False,
        commit_interval=_COMMIT_INTERVAL_S if place.writes else _SINK_COMMIT_INTERVAL_S,
        loglevel="WARNING",
    )
    frame = app.dataframe(app.topic(place.reads, value_deserializer="json"))
    if place.writes:
        step = normalize if place.stage == "normalize" else decorating()
        frame.apply(step).to_topic(app.topic(place.writes, value_serializer="json"))
    else:
        frame.apply(stored).sink(sink(place))
    task.say_ready()
    app.run()


def normalize(value: dict[str, Any]) -> dict[str, Any]:
    """Apply the rules of normalize."""
    return msgspec.to_builtins(task.normalized(msgspec.convert(value, RawEvent)))


def decorating() -> Any:
    """Return what applies the rules of decorate."""
    entities = task.known_entities()

    def decorate(value: dict[str, Any]) -> dict[str, Any]:
        return msgspec.to_builtins(task.decorated(msgspec.convert(value, NormalEvent), entities))

    return decorate


def stored(value: dict[str, Any]) -> dict[str, Any]:
    """Give every row all columns: the sink takes their names from the first."""
    return {column: value.get(column) for column in task.COLUMNS}


def sink(place: Place) -> PostgreSQLSink:
    """Make the sink that comes with Quix Streams, for a table that is there."""
    url = urlsplit(place.database_url)
    return PostgreSQLSink(
        host=url.hostname or "",
        port=url.port or 5432,
        dbname=url.path.lstrip("/"),
        user=url.username or "",
        password=url.password or "",
        table_name=place.table,
        schema_auto_update=False,
        include_metadata=False,
    )


if __name__ == "__main__":
    main()
