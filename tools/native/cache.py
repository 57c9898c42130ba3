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
from tools.native import locks
from tools.progress import Step

# Who waits longer than this is told what for.
_QUIET_WAIT_S = 1.0


def platform_tag() -> str:
    """Return the kind of machine, as `linux-x86_64`."""
    return f"{platform.system().lower()}-{platform.machine().lower()}"


def path(cache: Path, name: str) -> Path:
    """Return the folder that `install` gives back for `name`, whether it is there or not."""
    return cache / f"{name}-{platform_tag()}"


def install(cache: Path, name: str, make: Callable[[Path], None]) -> Path:
    """Return the folder `name` of the cache; `make` fills it in the first time.

    `make` gets an empty folder beside the final one, which takes its place when `make` returns,
    so a folder of that name is always complete. A second caller waits for the first.
    """
    target = path(cache, name)
    if target.is_dir():
        return target
    with locked(cache, target.name):
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
def locked(cache: Path, name: str) -> Generator[None]:
    """Hold `name` of the cache against other processes, waiting for one that holds it."""
    handle = _opened(cache, name)
    try:
        if not locks.acquire(handle, fcntl.LOCK_EX, _QUIET_WAIT_S):
            with Step(f"Waiting for another process that makes {name}"):
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def locked_at_once(cache: Path, name: str) -> Generator[bool]:
    """Hold `name` of the cache if nobody else does; yield whether it is held."""
    handle = _opened(cache, name)
    try:
        yield locks.acquire(handle, fcntl.LOCK_EX, 0)
    finally:
        os.close(handle)


def _opened(cache: Path, name: str) -> int:
    try:
        cache.mkdir(parents=True, exist_ok=True)
        return os.open(cache / f".{name}.lock", os.O_CREAT | os.O_RDWR, 0o644)
    except OSError as error:
        raise OperatorError(
            f"The cache {cache} cannot be written ({error.strerror}); "
            "set TTG_CACHE_DIR to a folder that can."
        ) from error
