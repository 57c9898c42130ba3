"""Prints the log files of a stack, and what is added to them."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tools.native import logfiles
from tools.native.settings import Settings

_POLL_S = 0.3
_NAME_WIDTH = 12


def show(settings: Settings, stage: str, lines: int, *, follow: bool) -> None:
    """Print the last `lines` of each log of a stage, or of all; then, if asked, what follows."""
    readers = [Reader(path, lines) for path in logfiles.files(settings, stage)]
    while True:
        for reader in readers:
            _print(reader.path, reader.new_lines())
        if not follow:
            return
        known = {reader.path for reader in readers}
        # Replicas that join while we follow.
        readers += [Reader(path, lines) for path in logfiles.files(settings, stage)
                    if path not in known]  # fmt: skip
        time.sleep(_POLL_S)


@dataclass(slots=True)
class Reader:
    """Reads one log: its last `lines` at first, then what is added."""

    path: Path
    lines: int
    _inode: int = 0
    # Where the next unread line begins; below 0 before the first reading.
    _offset: int = -1

    def new_lines(self) -> list[str]:
        """Return the whole lines written since the last call."""
        try:
            with self.path.open("rb") as file:
                return self._read(file)
        except FileNotFoundError:
            # `make down` and a rotation move a log away; its successor is read from the start.
            self._offset = 0
            return []

    def _read(self, file: BinaryIO) -> list[str]:
        found = os.fstat(file.fileno())
        is_first = self._offset < 0
        if is_first:
            self._offset = max(found.st_size - logfiles.TAIL_BYTES, 0)
        elif found.st_ino != self._inode or found.st_size < self._offset:
            self._offset = 0
        self._inode = found.st_ino
        file.seek(self._offset)
        text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        written = whole.decode(errors="replace").splitlines()
        return written[max(len(written) - self.lines, 0) :] if is_first else written


def _print(path: Path, lines: list[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{path.stem:<{_NAME_WIDTH}} {logfiles.pretty(line)}\n")
    sys.stdout.flush()
