"""Says what a long step does and how far it is: one live line, or plain lines for a log."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TextIO

_LIVE_INTERVAL_S = 0.2
# In a log nobody watches a line move, but everybody asks whether it still runs.
_PLAIN_INTERVAL_S = 15.0


@dataclass(slots=True)
class Step:
    """One step: `with Step("Building …") as step: step.update("12 of 80")`."""

    title: str
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    _began: float = field(default_factory=time.monotonic)
    _last: float = 0.0

    def __enter__(self) -> Self:
        self._write("", end="\r" if self.stream.isatty() else "\n")
        self._last = time.monotonic()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        elapsed_s = time.monotonic() - self._began
        self._write(f"{'done' if error is None else 'stopped'} after {elapsed_s:.1f} s", end="\n")

    def update(self, detail: str) -> None:
        """Show `detail` and the seconds so far, as often as the reader can use it."""
        now = time.monotonic()
        live = self.stream.isatty()
        if now - self._last < (_LIVE_INTERVAL_S if live else _PLAIN_INTERVAL_S):
            return
        self._last = now
        self._write(f"{detail} ({now - self._began:.0f} s)", end="\r" if live else "\n")

    def _write(self, detail: str, end: str) -> None:
        clear = "\x1b[2K" if self.stream.isatty() else ""
        self.stream.write(f"{clear}{self.title}{': ' if detail else ' …'}{detail}{end}")
        self.stream.flush()
