"""What the supervisor says of a process, in an operator's words."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tools.errors import OperatorError
from tools.native import supervisor
from tools.native.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(tmp_path / "state", tmp_path / "cache")
    settings.run.mkdir(parents=True)
    return settings


@contextmanager
def running(marker: Path) -> Generator[int]:
    command = [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"]
    environ = {"TTG_STACK": str(marker)}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE) as started:  # noqa: S603
        assert started.stdout is not None
        # Its environment can be read when it runs.
        started.stdout.readline()
        yield started.pid
        started.kill()


def test_the_supervisor_is_known_by_the_mark_of_its_stack(settings: Settings) -> None:
    assert supervisor.alive(settings) is None
    with running(settings.state) as pid:
        (settings.run / "supervisor.pid").write_text(f"{pid}\n")
        alive = supervisor.alive(settings)
        assert alive is not None
        assert alive.pid == pid
    assert supervisor.alive(settings) is None


def test_another_process_that_got_the_number_is_not_the_supervisor(settings: Settings) -> None:
    with running(settings.state / "other") as pid:
        (settings.run / "supervisor.pid").write_text(f"{pid}\n")
        assert supervisor.alive(settings) is None


def test_who_asks_while_replicas_drain_is_told_so(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_LOCK_TIMEOUT_S", 0.0)
    with (settings.run / "api.lock").open("w") as scaling:
        fcntl.flock(scaling, fcntl.LOCK_EX)
        with pytest.raises(OperatorError, match=r"is being scaled, .* ask again"):
            supervisor.processes(settings)
