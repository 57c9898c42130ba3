"""The record of what a run did to the stack: written by the runner, read by the checker."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import msgspec


class Fault(msgspec.Struct, kw_only=True):
    """One fault; `proof` says how it is known that it happened, and is empty if it is not.

    Of several that come too fast for a recovery to be seen, only the last is not `is_followed`.
    """

    what: str
    at_us: int
    cleared_us: int
    proof: str = ""
    is_followed: bool = False


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What one process held at one moment."""

    at_us: int
    process: str
    pid: int
    rss_bytes: int
    files: int


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a run must keep to; a recovery of 0 is not judged."""

    recovery_s: float = 0.0
    acked_min: int = 10_000
    faults_min: int = 1
    rss_bytes_max: int = 402_653_184
    files_max: int = 256


@dataclass(slots=True)
class Record:
    """Grows while a run goes on."""

    limits: Limits = field(default_factory=Limits)
    faults: list[Fault] = field(default_factory=list[Fault])
    samples: list[Sample] = field(default_factory=list[Sample])
    # Sentences of the runner about what a process did that it must not do.
    complaints: list[str] = field(default_factory=list[str])

    def write(self, path: Path) -> None:
        """Write it for the checker."""
        path.write_bytes(msgspec.json.encode(self))


def read(path: Path) -> Record:
    """Read what `write` wrote."""
    return msgspec.json.decode(path.read_bytes(), type=Record)
