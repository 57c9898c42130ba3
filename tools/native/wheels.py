"""Tools that come as Python wheels: installed by hash into the cache, only when needed."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tools.env import REPOSITORY
from tools.errors import OperatorError
from tools.native import cache
from tools.native.commands import Run
from tools.progress import Step

DEPLOY = REPOSITORY / "deploy" / "native"


def install(folder: Path, package: str) -> Path:
    """Return the folder that holds `package`, as its lock file in deploy/native pins it."""
    lock = DEPLOY / f"{package}.lock"
    version = lock.read_text().split("==", 1)[1].split()[0]

    def make(target: Path) -> None:
        with Step(f"Fetching {package} {version}") as step:
            _pip(lock, target)(step.update)

    return cache.install(folder, f"{package}-{version}", make)


def uv() -> str:
    """Return the uv to use. Raises `OperatorError` if there is none."""
    # tools/setup.sh leaves a link to the one it used beside the Python.
    found = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if found is None:
        raise OperatorError("uv is not on PATH; run `make setup`, or start with `make up`.")
    return found


def _pip(lock: Path, target: Path) -> Run:
    return Run(
        [uv(), "pip", "install", "--quiet", "--no-deps", "--require-hashes",
         "--python", sys.executable, "--target", target, "-r", lock],
        remedy="Check that the Python package index can be reached, then run the command again.",
    )  # fmt: skip
