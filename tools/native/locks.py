"""Locks on files, with a limit to the waiting; the kernel lets go of them when a process ends."""

from __future__ import annotations

import fcntl
import time

_ASK_AGAIN_S = 0.05


def acquire(handle: int, kind: int, limit_s: float) -> bool:
    """Lock an open file, waiting at most `limit_s`; return whether it is locked.

    `kind` is `fcntl.LOCK_SH` or `fcntl.LOCK_EX`.
    """
    deadline = time.monotonic() + limit_s
    while True:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_ASK_AGAIN_S)
        else:
            return True
