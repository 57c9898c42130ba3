"""What a peer does with an event is what our stages do with it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.peers.programs import task
from bench.peers.supply import Supply
from libs.events import NormalBatch, Origin, RawBatch
from services.decorate.rules import Entities, decorate
from services.normalize.rules import normalize

ROOT = Path(__file__).parents[5]
PLACE = {
    "PEER_TOPICS": "raw,normalized,decorated",
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092",
    "DATABASE_URL": "postgresql://here/db",
    "PEER_TABLE": "peer_blog",
}


def ours(value: bytes) -> list[Any]:
    """An event after our two stages, in a record of its own."""
    origins = [Origin("demo", 0, 0, 1, 1, f"00-{1:032x}-{1:016x}-00")]
    event = {"schema": 1, "origins": msgspec.to_builtins(origins),
             "events": [msgspec.json.decode(value)]}  # fmt: skip
    raw = msgspec.convert(event, RawBatch)
    normal = NormalBatch(origins=origins, events=normalize(raw).batch.events)
    entities = msgspec.json.decode((ROOT / "deploy/entities.json").read_bytes(), type=Entities)
    return msgspec.to_builtins(decorate(normal, entities).events)


def test_a_peers_two_steps_make_what_our_two_stages_make() -> None:
    normalized, decorated = task.work("normalize"), task.work("decorate")

    for value in Supply().take(12):
        assert [msgspec.json.decode(decorated(normalized(value)))] == ours(value)


def test_a_row_has_a_value_for_each_column() -> None:
    value = Supply().made(0, 1_764_000_000.5)
    stored = task.work("decorate")(task.work("normalize")(value))

    row = dict(zip(task.COLUMNS, task.row(stored), strict=True))
    assert row["name"] == "checkout.latency"
    assert row["unit"] == "s"
    assert row["timestamp"] == datetime(2025, 11, 24, 16, 0, 0, 500_000, UTC)
    assert row["owner"] == "amelia"
    assert msgspec.json.decode(row["attributes"])["entity"] == "checkout"


@pytest.mark.parametrize(
    ("stage", "reads", "writes"),
    [
        ("normalize", "raw", "normalized"),
        ("decorate", "normalized", "decorated"),
        ("sink", "decorated", ""),
    ],
)
def test_a_stage_reads_what_the_one_before_it_writes(
    stage: str, reads: str, writes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in PLACE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", ["blog", stage])

    place = task.place()
    assert (place.reads, place.writes) == (reads, writes)


def test_a_statement_has_a_value_for_each_column() -> None:
    statement = task.insert("peer_blog")

    assert statement.startswith("insert into peer_blog (event_id, name")
    assert f"${len(task.COLUMNS)})" in statement
