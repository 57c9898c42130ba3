"""C11: the checker as it runs, on a live stack, finds what is planted, and where."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.faults.load import Load, Offer
from tests.faults.scene import check
from tests.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1_900)]

ACKED_MIN = 10_000
LIMIT_S = 90.0
# A copy of the table that a test may spoil; it has no key, so it takes an event twice.
COPY = """
drop schema if exists planted cascade;
create schema planted;
set search_path to planted;
create table event as select * from public.event
"""
DELETE = "delete from event where event_id = $1"
DOUBLE = "insert into event select * from event where event_id = $1"
INVENT = """
insert into event select tenant, $1, name, value, unit, timestamp, attributes, owner, team, region,
       trace_id, received_at, stored_at from event where event_id = $2
"""
SWAP = """
update event a set value = b.value + 1 from event b where a.event_id = $1 and b.event_id = $2
"""


@dataclass(frozen=True)
class Run:
    """A quiet run that is over, and the names of two of its events in the order of their key."""

    stack: Stack
    ledger: Path
    earlier: str
    later: str

    def verdict(self, ledger: Path | None = None, database: str = "") -> dict[str, Any]:
        return check(self.stack, ledger or self.ledger, database=database)

    def reworded(self, change: Callable[[list[dict[str, Any]]], None]) -> Path:
        lines = [json.loads(line) for line in self.ledger.read_text().splitlines()]
        change(lines)
        lines[-1]["events"] = len(lines) - 2
        path = self.ledger.with_name("reworded.jsonl")
        # The end of a ledger is known by how it begins.
        path.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))
        return path

    def entry(self, lines: list[dict[str, Any]], event_id: str) -> dict[str, Any]:
        return next(line for line in lines if line.get("event_id") == event_id)


@pytest.fixture(scope="module")
def run(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Run:
    load = Load(stack, tmp_path_factory.mktemp("quiet"), Offer(rate=2_000))
    load.start()
    load.end(ACKED_MIN, LIMIT_S)
    lines = [json.loads(line) for line in load.ledger.read_text().splitlines()]
    of_one_key = [line for line in lines[1:-1] if line["key"] == "key-3"]
    earlier, later = (of_one_key[place]["event_id"] for place in (10, 120))
    return Run(stack, load.ledger, earlier, later)


async def spoilt(run: Run, statement: str, *event_ids: str) -> str:
    """Spoil a copy of the table; gives the address by which the copy is found first."""
    url = run.stack.values["DATABASE_URL"]
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(COPY)
        await connection.execute(statement, *event_ids)
    finally:
        await connection.close()
    return f"{url}&search_path=planted"


def found(verdict: dict[str, Any]) -> dict[str, list[str]]:
    return {one["checker"].split()[0]: one["examples"] for one in verdict["findings"]}


def test_a_quiet_run_has_no_finding_and_proves_nothing_of_faults(run: Run) -> None:
    began = time.monotonic()
    verdict = run.verdict()

    assert found(verdict) == {}
    assert verdict["verdict"] == "invalid"
    assert verdict["invalid"] == ["0 faults are proven, 1 are needed"]
    assert verdict["acked"] == verdict["stored"] >= ACKED_MIN
    assert time.monotonic() - began < LIMIT_S


async def test_a_row_that_is_taken_away_is_lost_at_the_sink(run: Run) -> None:
    verdict = run.verdict(database=await spoilt(run, DELETE, run.later))

    (sentence,) = found(verdict)["C1"]
    assert sentence.startswith(f"{run.later} is last in events.decorated ")
    assert sentence.endswith("lost at sink")
    assert verdict["lost"] == 1


def test_an_event_that_never_went_anywhere_is_lost_at_the_door(run: Run) -> None:
    lost = run.later[:-4] + "ffff"

    def add(lines: list[dict[str, Any]]) -> None:
        lines.insert(-1, {**run.entry(lines, run.later), "event_id": lost, "key": ""})

    assert found(run.verdict(run.reworded(add)))["C1"] == [f"{lost} is in no topic: lost at ingest"]


async def test_a_row_that_is_there_twice_is_a_duplicate(run: Run) -> None:
    verdict = run.verdict(database=await spoilt(run, DOUBLE, run.later))

    assert found(verdict) == {"C2": [f"{run.later} is stored 2 times"]}
    assert verdict["doubled"] == 1


async def test_a_row_with_another_id_is_a_stranger(run: Run) -> None:
    stranger = run.later[:-4] + "ffff"
    verdict = run.verdict(database=await spoilt(run, INVENT, stranger, run.later))

    assert found(verdict) == {"C3": [f"{stranger} in the store was never sent"]}


async def test_two_rows_that_swap_their_values_are_wrong(run: Run) -> None:
    verdict = run.verdict(database=await spoilt(run, SWAP, run.earlier, run.later))

    (sentence,) = found(verdict)["C4"]
    assert sentence.startswith(f"{run.earlier}: value is ")


def test_two_events_of_a_key_that_swap_their_places_are_out_of_order(run: Run) -> None:
    def swap(lines: list[dict[str, Any]]) -> None:
        one, other = run.entry(lines, run.earlier), run.entry(lines, run.later)
        one["sequence"], other["sequence"] = other["sequence"], one["sequence"]

    examples = found(run.verdict(run.reworded(swap)))["C5"]

    assert any(example.startswith("key-3 of events.raw: ") for example in examples)
