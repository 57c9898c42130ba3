"""What an operator is told when there is no engine, or one that cannot compose."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.compose import engine
from tools.errors import OperatorError

_ENGINE = "version) echo 28.0.1;;"


@pytest.fixture(autouse=True)
def _only_this_docker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("PATH", str(tmp_path))
    forget()
    yield
    forget()


def forget() -> None:
    engine.answers.cache_clear()
    engine.composes.cache_clear()


def docker(folder: Path, cases: str) -> None:
    program = folder / "docker"
    program.write_text(f'#!/bin/sh\ncase "$1" in {cases} *) exit 1;; esac\n')
    program.chmod(0o755)


def test_without_docker_the_other_mode_is_named() -> None:
    assert not engine.answers()
    with pytest.raises(OperatorError, match="start it, name it in DOCKER_HOST, or use MODE=native"):
        engine.require()


@pytest.mark.parametrize(
    "answer",
    [
        'echo "Cannot connect to the Docker daemon of 28.0.1" >&2; exit 1',
        'echo; echo "Cannot connect to the Docker daemon of 28.0.1" >&2',
        'echo "<no value>"',
        "echo 28.0.1; exit 1",
    ],
    ids=["fails", "succeeds and complains", "no value", "a version and a failure"],
)
def test_a_client_without_an_engine_is_no_engine(tmp_path: Path, answer: str) -> None:
    docker(tmp_path, f"version) {answer};; compose) echo 2.40.3;;")

    assert not engine.answers()
    with pytest.raises(OperatorError, match="No container engine answers"):
        engine.require()


def test_who_may_not_speak_to_the_engine_is_told_how_to(tmp_path: Path) -> None:
    said = "permission denied while trying to connect to the Docker daemon socket"
    docker(tmp_path, f'version) echo; echo "{said}" >&2; exit 1;;')

    with pytest.raises(OperatorError, match=r"permission denied.*usermod -aG docker .*MODE=native"):
        engine.require()


@pytest.mark.parametrize(
    ("compose", "found"),
    [
        ("exit 1", "none"),
        ("echo 2.17.2", "2.17.2"),
        ("echo v1.29", "1.29"),
        ("echo 2.40.3 >&2", "none"),
    ],
)
def test_a_compose_that_is_too_old_is_named(tmp_path: Path, compose: str, found: str) -> None:
    docker(tmp_path, f"{_ENGINE} compose) {compose};;")

    assert engine.answers()
    assert not engine.composes()
    with pytest.raises(OperatorError, match=rf"2\.30 or newer, here is {found}; install"):
        engine.require()


@pytest.mark.parametrize("version", ["2.30.0", "v2.40.3", "5.0.1"])
def test_a_recent_compose_will_do(tmp_path: Path, version: str) -> None:
    docker(tmp_path, f"{_ENGINE} compose) echo {version};;")

    engine.require()
