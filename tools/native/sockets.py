"""Where the processes of a stack listen for those who look after them, and how they are asked."""

from __future__ import annotations

import hashlib
import http.client
import os
import socket
from pathlib import Path

from tools.errors import OperatorError
from tools.native.settings import Settings

# The kernel's limit for the path of a socket, less a margin and the longest name of one.
_FOLDER_BYTES_MAX = 85


class Connection(http.client.HTTPConnection):
    """HTTP over a socket in the file system."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Connect, with the time-out for every step."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(os.fspath(self._path))


def folder(settings: Settings) -> Path:
    """Return the folder of the sockets, which is short enough and its owner's alone."""
    if len(os.fsencode(settings.run)) <= _FOLDER_BYTES_MAX:
        return settings.run
    # One place for every shell, whatever TMPDIR says there.
    short = hashlib.sha256(os.fsencode(settings.state)).hexdigest()[:16]
    made = Path(f"/tmp/ttg-{os.getuid()}-{short}")  # noqa: S108  (its owner is looked at)
    made.mkdir(mode=0o700, exist_ok=True)
    if made.is_symlink() or made.stat().st_uid != os.getuid():
        raise OperatorError(f"{made} belongs to somebody else; set a shorter TTG_STATE_DIR.")
    return made


def clear(settings: Settings) -> None:
    """Remove what processes that were killed have left."""
    for path in folder(settings).glob("*.sock"):
        path.unlink(missing_ok=True)
