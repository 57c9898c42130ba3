"""The Python that peers run with: its own environment in the cache, made when first needed."""

from __future__ import annotations

import hashlib
import os
import sys
from importlib.metadata import distributions
from pathlib import Path

from tools.env import REPOSITORY
from tools.native import cache
from tools.native.commands import Run
from tools.native.settings import cache_dir
from tools.native.wheels import uv
from tools.progress import Step

LOCK = REPOSITORY / "bench" / "peers" / "requirements.lock"
# What a reader of the results wants to know.
_TOLD = {
    "faststream": "FastStream",
    "quixstreams": "Quix Streams",
    "opentelemetry-instrumentation-aiokafka": "its instrumentation of aiokafka",
}
_REMEDY = "Check that the Python package index can be reached, then run the bench again."


def ready() -> Path:
    """Return the Python of the peers; the first time it is fetched as the lock file pins it."""
    return _python(cache.install(cache_dir(os.environ), _name(), _make))


def found() -> Path | None:
    """Return the Python of the peers if it is there already."""
    folder = cache.path(cache_dir(os.environ), _name())
    return _python(folder) if folder.is_dir() else None


def versions(python: Path) -> dict[str, str]:
    """Return what the peers are made of."""
    folders = [str(path) for path in python.parents[1].glob("lib/python*/site-packages")]
    have = {each.name: each.version for each in distributions(path=folders)}
    return {title: have[name] for name, title in _TOLD.items()}


def _python(folder: Path) -> Path:
    return folder / "bin" / "python"


def _name() -> str:
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    return f"peers-py{sys.version_info[0]}{sys.version_info[1]}-{digest}"


def _make(folder: Path) -> None:
    with Step("Fetching the peers (once)") as step:
        Run([uv(), "venv", "--quiet", "--allow-existing", "--python", sys.executable, folder],
            remedy=_REMEDY)(step.update)  # fmt: skip
        Run([uv(), "pip", "sync", "--quiet", "--require-hashes", "--python", _python(folder), LOCK],
            remedy=_REMEDY)(step.update)  # fmt: skip
