"""Which of the two modes is meant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tools import mode
from tools.compose import engine
from tools.compose.mode import ComposeMode
from tools.errors import OperatorError
from tools.native.mode import NativeMode
from tools.native.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(tmp_path / "state", tmp_path / "cache")
    settings.state.mkdir()
    return settings


@pytest.fixture(params=[True, False], ids=["engine", "no engine"])
def has_engine(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[bool]:
    monkeypatch.setenv("PATH", str(tmp_path))
    forget()
    if request.param:
        program = tmp_path / "docker"
        program.write_text("#!/bin/sh\necho 2.40.3\n")
        program.chmod(0o755)
    yield request.param
    forget()


def forget() -> None:
    engine.answers.cache_clear()
    engine.composes.cache_clear()


def test_an_engine_decides_if_nobody_else_does(settings: Settings, has_engine: bool) -> None:
    assert mode.for_start(settings).name == ("compose" if has_engine else "native")


@pytest.mark.parametrize("name", ["compose", "native"])
@pytest.mark.usefixtures("has_engine")
def test_by_hand_either_can_be_had(settings: Settings, name: str) -> None:
    assert mode.for_start(replace(settings, mode=name)).name == name


@pytest.mark.parametrize("there", [ComposeMode, NativeMode])
@pytest.mark.usefixtures("has_engine")
def test_a_stack_that_is_up_is_found_whatever_the_shell_says(
    settings: Settings, there: type[ComposeMode | NativeMode]
) -> None:
    started = there(settings)
    mode.record(settings, started)
    other = "native" if started.name == "compose" else "compose"

    assert mode.of(replace(settings, mode=other)).name == started.name
    assert mode.for_start(settings).name == started.name
    with pytest.raises(OperatorError, match=f"up by MODE={started.name}; run `make down`"):
        mode.for_start(replace(settings, mode=other))

    mode.forget(settings)
    assert mode.for_start(replace(settings, mode=other)).name == other


def test_what_is_down_is_not_running(settings: Settings) -> None:
    with pytest.raises(OperatorError, match="No stack is up here; run `make up`"):
        mode.running(settings)
