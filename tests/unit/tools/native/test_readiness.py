"""Asking replicas how they are, over real sockets."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from libs.stage import Health, HealthSettings
from libs.stage.run import Stop
from tools.native import readiness, sockets
from tools.native.settings import Settings
from tools.native.supervisor import Process


def running(name: str, stage: str, replica: int) -> Process:
    return Process(name, stage, replica, "Running", True, 1, 0, 0)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(state=tmp_path / "s", cache=tmp_path)
    made.run.mkdir(parents=True)
    return made


async def test_a_replica_says_how_it_is(settings: Settings) -> None:
    path = sockets.folder(settings) / "normalize-1.sock"
    health = Health(HealthSettings(socket=str(path)), Stop())
    async with health.kept():
        process = running("normalize-1", "normalize", 1)
        said = await asyncio.to_thread(readiness.ask, settings, [process])

    assert said["normalize-1"].status == "starting"


def test_a_socket_that_nobody_answers_on_is_told(settings: Settings) -> None:
    (sockets.folder(settings) / "sink-0.sock").touch()

    said = readiness.ask(settings, [running("sink", "sink", 0), running("kafka", "kafka", 0)])

    assert list(said) == ["sink"]
    assert said["sink"].status == "no answer"
    assert said["sink"].reasons


def test_the_folder_is_short_enough_for_a_socket_however_deep_the_state_is(tmp_path: Path) -> None:
    deep = Settings(state=tmp_path / ("d" * 100), cache=tmp_path)
    folder = sockets.folder(deep)
    try:
        assert len(str(folder / "normalize-11.sock")) < 100
        (folder / "sink-0.sock").touch()
        sockets.clear(deep)
        assert not list(folder.iterdir())
    finally:
        folder.rmdir()
