"""What a stage has written to its log since a moment."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from tests.stack import Stack

_EVENT_CHARS_MAX = 60


def of(stack: Stack, stage: str) -> Path:
    """The log of the first replica of a stage that the stack runs."""
    return stack.state_dir / "logs" / f"{stage}-0.log"


class Mark:
    """A place in a log: its end as it is now, or so many bytes from its beginning."""

    def __init__(self, log: Path, from_bytes: int | None = None) -> None:
        self._log = log
        self._from_bytes = log.stat().st_size if from_bytes is None else from_bytes

    def said(self, event: str) -> list[dict[str, Any]]:
        """The lines of one event since then, oldest first."""
        sign = f'"event":"{event}"'.encode()
        return [msgspec.json.decode(line) for line in self._lines() if sign in line]

    def counts(self) -> Counter[str]:
        """How often each event was said since then; lines of libraries begin with their text."""
        return Counter(_event(line) for line in self._lines())

    def _lines(self) -> list[bytes]:
        with self._log.open("rb") as file:
            file.seek(self._from_bytes)
            return file.read().splitlines()


def _event(line: bytes) -> str:
    try:
        return str(msgspec.json.decode(line)["event"])[:_EVENT_CHARS_MAX]
    except (msgspec.DecodeError, KeyError, TypeError):
        return "not JSON"
