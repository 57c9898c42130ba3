"""`ttg logs`: what the processes of the stack wrote, as lines a person can read."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tools.errors import OperatorError
from tools.native import logfiles, settings as native_settings

_POLL_S = 0.3
_NAME_WIDTH = 12


def logs(stage: str = "", *, follow: bool = False, lines: int = 40) -> None:
    """Print the logs of one process, or of all.

    Parameters
    ----------
    stage
        kafka, postgres, jaeger, topics, ingest, normalize, decorate, sink or glass.
    follow
        Go on printing what is written, until Ctrl-C.
    lines
        How many of the last lines of each log.
    """
    settings = native_settings.current()
    found = logfiles.files(settings, stage)
    if not found:
        which = f"of {stage!r} " if stage else ""
        raise OperatorError(f"There is no log {which}in {settings.logs}; run `make up`, `make ps`.")
    readers = [_Reader(path, lines) for path in found]
    while True:
        for reader in readers:
            reader.print_new()
        if not follow:
            return
        known = {reader.path for reader in readers}
        # Replicas that join while we follow.
        readers += [_Reader(path, lines) for path in logfiles.files(settings, stage)
                    if path not in known]  # fmt: skip
        time.sleep(_POLL_S)


@dataclass(slots=True)
class _Reader:
    path: Path
    lines: int
    offset: int = -1

    def print_new(self) -> None:
        if self.offset < 0:
            self.offset = self.path.stat().st_size
            self._print(logfiles.last(self.path, self.lines))
            return
        size = self.path.stat().st_size
        # A shorter file is a new one: the log was rotated.
        start = self.offset if size >= self.offset else 0
        with self.path.open("rb") as file:
            file.seek(start)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self.offset = start + len(whole)
        self._print(whole.decode(errors="replace").splitlines())

    def _print(self, lines: list[str]) -> None:
        for line in lines:
            sys.stdout.write(f"{self.path.stem:<{_NAME_WIDTH}} {logfiles.pretty(line)}\n")
        sys.stdout.flush()
