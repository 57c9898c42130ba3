"""The cache of tools: each version is made once, whole or not at all."""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from tools.errors import OperatorError


def platform_tag() -> str:
    """Return the kind of machine, as `linux-x86_64`."""
    return f"{platform.system().lower()}-{platform.machine().lower()}"


def install(cache: Path, name: str, make: Callable[[Path], None]) -> Path:
    """Return the folder `name` of the cache; `make` fills it in the first time.

    `make` gets an empty folder beside the final one, which takes its place when `make` returns,
    so a folder of that name is always complete. A second caller waits for the first.
    """
    target = cache / f"{name}-{platform_tag()}"
    if target.is_dir():
        return target
    with _locked(cache, target.name):
        if target.is_dir():
            return target
        unfinished = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=cache))
        unfinished.chmod(0o755)
        try:
            make(unfinished)
            unfinished.rename(target)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return target


@contextmanager
def _locked(cache: Path, name: str) -> Generator[None]:
    try:
        cache.mkdir(parents=True, exist_ok=True)
        handle = os.open(cache / f".{name}.lock", os.O_CREAT | os.O_RDWR, 0o644)
    except OSError as error:
        raise OperatorError(
            f"The cache {cache} cannot be written ({error.strerror}); "
            "set TTG_CACHE_DIR to a folder that can."
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
