from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog

from libs.errors import Unavailable
from services.decorate import lookup
from services.decorate.lookup import Broken, FileSource, TableSource, following
from services.decorate.rules import Entities, Entity

ONE = '{"version": 1, "entities": {"a": {"team": "one"}}}'
TWO = '{"version": 2, "entities": {"a": {"team": "two"}}}'
EVERY_S = 0.005
WAIT_S = 5.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "entities.json"
    path.write_text(ONE)
    return path


def replace(path: Path, text: str) -> None:
    """Change the file in one step, as an operator's tool does."""
    beside = path.with_suffix(".new")
    beside.write_text(text)
    beside.replace(path)


def remove(path: Path) -> None:
    path.unlink()


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not is_so():  # noqa: ASYNC110  (what is waited for tells nobody)
            await asyncio.sleep(EVERY_S)


async def test_a_file_is_read_once_for_each_change(path: Path) -> None:
    source = FileSource(path)

    assert await source.read() == Entities(1, {"a": Entity(team="one")})
    assert await source.read() is None
    replace(path, TWO)
    assert await source.read() == Entities(2, {"a": Entity(team="two")})


async def test_a_changed_file_is_followed_without_a_restart(path: Path) -> None:
    async with following(FileSource(path), EVERY_S, asyncio.Event()) as found:
        before = found.entities
        replace(path, TWO)
        await until(lambda: found.entities.version == 2)

    assert (before.version, before.entities["a"].team) == (1, "one")
    assert found.entities.entities["a"].team == "two"


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"version": 2}', ONE.replace("team", "taem")])
async def test_a_broken_file_leaves_the_entities_as_they_were(path: Path, broken: str) -> None:
    with structlog.testing.capture_logs() as logs:
        async with following(FileSource(path), EVERY_S, asyncio.Event()) as found:
            replace(path, broken)
            await until(lambda: len(logs) > 1)
            await asyncio.sleep(4 * EVERY_S)
            kept = found.entities
            replace(path, TWO)
            await until(lambda: found.entities.version == 2)

    assert kept.version == 1
    assert [log["event"] for log in logs] == [
        "entities loaded",
        "entities not reloaded",
        "entities reloaded",
    ]
    assert str(path) in logs[1]["reason"]


async def test_a_file_that_is_gone_is_told_once_and_found_again(path: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        async with following(FileSource(path), EVERY_S, asyncio.Event()) as found:
            remove(path)
            await until(lambda: len(logs) > 1)
            await asyncio.sleep(4 * EVERY_S)
            replace(path, TWO)
            await until(lambda: found.entities.version == 2)

    assert [log["log_level"] for log in logs] == ["info", "error", "info"]


async def test_a_stage_does_not_start_without_its_file(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be read: No such file"):
        async with following(FileSource(tmp_path / "none.json"), EVERY_S, asyncio.Event()):
            pass


async def test_a_stage_does_not_start_with_a_broken_file(path: Path) -> None:
    replace(path, '{"version": "one"}')

    with pytest.raises(Unavailable, match="does not hold entities"):
        async with following(FileSource(path), EVERY_S, asyncio.Event()):
            pass


async def test_a_file_too_large_is_not_read(path: Path) -> None:
    os.truncate(path, 1 << 40)

    with pytest.raises(Broken, match="larger than"):
        await FileSource(path).read()


async def test_a_database_that_is_away_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="the table entity"):
        await TableSource("postgresql://ttg@127.0.0.1:1/ttg").read()


async def test_the_entities_that_come_with_the_project_can_be_read() -> None:
    source = lookup.source("deploy/entities.json", "")
    entities = await source.read()

    assert entities is not None
    assert entities.entities["checkout"].team == "payments"


def test_a_table_is_chosen_by_its_name() -> None:
    assert isinstance(lookup.source("table", "postgresql://"), TableSource)


class Failing:
    """Entities that can be read once."""

    def __init__(self) -> None:
        self.reads = 0

    async def read(self) -> Entities | None:
        self.reads += 1
        if self.reads > 1:
            raise RuntimeError("a bug")
        return Entities(1, {})


async def test_an_error_nobody_expects_stops_the_stage_and_is_raised() -> None:
    stop = asyncio.Event()

    with pytest.raises(RuntimeError, match="a bug"):
        async with following(Failing(), EVERY_S, stop):
            await asyncio.wait_for(stop.wait(), 5)


async def test_an_owner_that_the_store_cannot_hold_is_refused_with_the_file(path: Path) -> None:
    replace(path, ONE.replace("one", "o\\u0000ne"))

    with pytest.raises(Broken, match="does not hold entities"):
        await FileSource(path).read()
