"""The Compose mode against an engine that only says what a test wants it to."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tools.compose import mode as compose_mode
from tools.compose.mode import ComposeMode
from tools.errors import OperatorError
from tools.native import stack
from tools.native.settings import Settings

CRASHES = {
    "Name": "/ttg-0123abcd-kafka-1",
    "RestartCount": 0,
    "Config": {
        "Labels": {
            "com.docker.compose.service": "kafka",
            "com.docker.compose.container-number": "1",
        }
    },
    "State": {"Status": "restarting", "Pid": 0, "ExitCode": 1},
}


@pytest.fixture
def mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ComposeMode:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(compose_mode, "_START_POLL_S", 0.01)
    return ComposeMode(Settings(tmp_path / "state", tmp_path / "cache"))


def docker(folder: Path, **cases: str) -> None:
    """Put a `docker` on the path that runs a script for each of its commands."""
    program = folder / "docker"
    branches = "".join(f"{name}) {script} ;;\n" for name, script in cases.items())
    program.write_text(f'#!/bin/sh\ncd {folder}\ncase "$1" in\n{branches}esac\n')
    program.chmod(0o755)


def start(mode: ComposeMode) -> None:
    mode.start(stack.reached(mode.settings, "key", "password", {}), {})


def restarting_more_and_more(folder: Path) -> str:
    (folder / "entry").write_text(json.dumps([CRASHES]))
    counted = 'echo >>asked; n=$(wc -l <asked | tr -d " ")'
    return f'{counted}; sed "s/RestartCount\\": 0/RestartCount\\": $n/" entry'


def test_what_ends_again_and_again_is_not_waited_for(mode: ComposeMode, tmp_path: Path) -> None:
    docker(
        tmp_path,
        compose="echo $$ >up; exec sleep 60",
        ps="echo 4711",
        inspect=restarting_more_and_more(tmp_path),
        logs="echo the disk is full",
    )

    with pytest.raises(OperatorError, match=r"kafka-1 does not start(.|\n)*the disk is full"):
        start(mode)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "up").read_text()), 0)


def test_a_start_without_a_container_yet_is_waited_for(mode: ComposeMode, tmp_path: Path) -> None:
    docker(tmp_path, compose="sleep 0.2", ps=":")

    start(mode)
    assert not mode.is_up()
