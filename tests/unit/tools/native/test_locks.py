"""Waiting for a lock, and giving up."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Generator
from pathlib import Path

import pytest

from tools.native import locks


@pytest.fixture
def handles(tmp_path: Path) -> Generator[tuple[int, int]]:
    opened = [os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR) for _ in range(2)]
    yield opened[0], opened[1]
    for handle in opened:
        os.close(handle)


def test_what_is_held_is_not_had_within_the_limit(handles: tuple[int, int]) -> None:
    first, second = handles

    assert locks.acquire(first, fcntl.LOCK_EX, 0)
    assert not locks.acquire(second, fcntl.LOCK_EX, 0)
    assert not locks.acquire(second, fcntl.LOCK_SH, 0)


def test_readers_share_it(handles: tuple[int, int]) -> None:
    assert all(locks.acquire(handle, fcntl.LOCK_SH, 0) for handle in handles)


def test_who_waits_has_it_when_it_is_free(handles: tuple[int, int]) -> None:
    first, second = handles
    locks.acquire(first, fcntl.LOCK_EX, 0)
    release = threading.Timer(0.1, fcntl.flock, (first, fcntl.LOCK_UN))
    release.start()

    assert locks.acquire(second, fcntl.LOCK_EX, 10)
    release.join()
