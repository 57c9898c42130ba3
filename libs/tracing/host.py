"""Which machine this process runs on, as its spans say it."""

from __future__ import annotations

import hashlib
import socket
from functools import cache
from pathlib import Path

# The kernel's boot id is one value for a machine and all containers on it, so a backend does
# not "correct" the clocks of stages that share one.
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_HEX_DIGITS = 12


@cache
def host_id() -> str:
    """Give an id that all processes of this machine share; empty where the kernel has none.

    Short, because it travels in the trail of each record.
    """
    if not _BOOT_ID.exists():
        return ""
    return hashlib.sha256(_BOOT_ID.read_bytes().strip()).hexdigest()[:_HEX_DIGITS]


@cache
def host_ip() -> str:
    """Give an address that all processes of this machine take for its own."""
    try:
        return socket.gethostbyname(socket.gethostname())
    except OSError:
        return "127.0.0.1"
