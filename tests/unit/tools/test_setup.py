"""tools/setup.sh on a repository of its own, with a uv that only notes what it is asked."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tools.env import REPOSITORY

UV = f"""#!/bin/sh
echo "$1 $2" >> "$(dirname "$0")/asked"
[ "$1" = venv ] && mkdir -p .venv/bin && ln -s {sys.executable} .venv/bin/python
exit 0
"""
MADE = ["venv --quiet", "pip sync", "pip install"]
SYNCED = ["pip sync", "pip install"]


@dataclass(frozen=True)
class Clone:
    """A repository, and a folder on PATH where uv is."""

    folder: Path
    tools: Path

    def set_up(self) -> list[str]:
        """Run the script and return what uv was asked."""
        asked = self.tools / "asked"
        asked.unlink(missing_ok=True)
        done = subprocess.run(  # noqa: S603
            ["/bin/sh", str(self.folder / "tools" / "setup.sh")],
            env={"PATH": f"{self.tools}:/usr/bin:/bin", "PYTHON": sys.executable},
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
        assert done.returncode == 0, done.stderr
        lines = asked.read_text().splitlines() if asked.exists() else []
        return [line for line in lines if not line.startswith("--version")]


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    made = Clone(tmp_path / "a clone", tmp_path / "some tools")
    (made.folder / "tools").mkdir(parents=True)
    shutil.copy(REPOSITORY / "tools" / "setup.sh", made.folder / "tools")
    (made.folder / "requirements.lock").write_text("one==1\n")
    (made.folder / "pyproject.toml").write_text("[project]\n")
    made.tools.mkdir()
    (made.tools / "uv").write_text(UV)
    (made.tools / "uv").chmod(0o755)
    return made


def test_it_works_once_and_leaves_a_link_to_the_uv_it_used(clone: Clone) -> None:
    assert clone.set_up() == MADE
    assert (clone.folder / ".venv/bin/uv").readlink() == clone.tools / "uv"
    assert clone.set_up() == []


def test_a_link_that_is_gone_is_made_again_and_nothing_else(clone: Clone) -> None:
    clone.set_up()
    (clone.folder / ".venv/bin/uv").unlink()

    assert clone.set_up() == []
    assert (clone.folder / ".venv/bin/uv").exists()


def test_a_changed_lock_is_installed_into_what_is_there(clone: Clone) -> None:
    clone.set_up()
    (clone.folder / "requirements.lock").write_text("one==2\n")

    assert clone.set_up() == SYNCED
    assert clone.set_up() == []


def test_an_environment_whose_python_is_gone_is_made_again(clone: Clone) -> None:
    clone.set_up()
    (clone.folder / ".venv/bin/python").unlink()

    assert clone.set_up() == MADE


def test_an_environment_that_was_moved_is_made_again(clone: Clone, tmp_path: Path) -> None:
    clone.set_up()
    clone.folder.rename(tmp_path / "elsewhere")
    moved = Clone(tmp_path / "elsewhere", clone.tools)

    assert moved.set_up() == MADE
    assert moved.set_up() == []


def test_in_an_active_environment_the_link_does_not_come_to_lead_to_itself(clone: Clone) -> None:
    clone.set_up()
    (clone.folder / "requirements.lock").write_text("one==2\n")
    active = Clone(clone.folder, clone.folder / ".venv/bin")

    active.set_up()
    assert (clone.folder / ".venv/bin/uv").readlink() == clone.tools / "uv"
