"""Says what a long step does and how far it is: one live line, or plain lines for a log."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TextIO

LIVE_INTERVAL_S = 0.2
# In a log nobody watches a line move, but everybody asks whether it still runs.
PLAIN_INTERVAL_S = 15.0
_COLUMNS = 80


@dataclass(slots=True)
class Step:
    """One step: `with Step("Building …") as step: step.update("12 of 80")`.

    It shows by itself that time goes by, also while nothing calls `update`.
    """

    title: str
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    _detail: str = ""
    _began: float = field(default_factory=time.monotonic)
    _ended: threading.Event = field(default_factory=threading.Event)
    _ticker: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._write(f"{self.title} …")
        self._ticker = threading.Thread(target=self._tick, daemon=True)
        self._ticker.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        if self._ticker is not None:
            self._ticker.join()
        how = "done" if error is None else "stopped"
        self._write(f"{self.title}: {how} after {self._elapsed_s():.1f} s", is_last=True)

    def update(self, detail: str) -> None:
        """Say how far it is; it is shown as often as the reader can use it."""
        self._detail = detail

    def _tick(self) -> None:
        interval_s = LIVE_INTERVAL_S if self.stream.isatty() else PLAIN_INTERVAL_S
        while not self._ended.wait(interval_s):
            detail = f": {self._detail}" if self._detail else ""
            self._write(f"{self.title} ({self._elapsed_s():.0f} s){detail}")

    def _elapsed_s(self) -> float:
        return time.monotonic() - self._began

    def _write(self, text: str, *, is_last: bool = False) -> None:
        try:
            if self.stream.isatty():
                # A line that wraps cannot be written over.
                cut = text[: _columns(self.stream) - 1]
                self.stream.write(f"\x1b[2K{cut}" + ("\n" if is_last else "\r"))
            else:
                self.stream.write(f"{text}\n")
            self.stream.flush()
        except OSError:
            # Whoever watched is gone; the work goes on.
            return


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or _COLUMNS
    except (OSError, ValueError):
        return shutil.get_terminal_size().columns
