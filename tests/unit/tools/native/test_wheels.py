"""Which uv fetches the wheels."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tools.errors import OperatorError
from tools.native import wheels


def program(folder: Path) -> Path:
    folder.mkdir()
    (folder / "uv").write_text("#!/bin/sh\n")
    (folder / "uv").chmod(0o755)
    return folder / "uv"


def test_the_uv_that_made_the_environment_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside, on_path = program(tmp_path / "venv"), program(tmp_path / "bin")
    monkeypatch.setattr(sys, "executable", str(beside.with_name("python")))
    monkeypatch.setenv("PATH", str(on_path.parent))

    assert wheels.uv() == str(beside)
    shutil.rmtree(beside.parent)
    assert wheels.uv() == str(on_path)


def test_without_uv_the_error_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(OperatorError, match="run `make setup`"):
        wheels.uv()
