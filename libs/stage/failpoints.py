"""Faults on purpose, for tests: named places in the work of a stage where one can be asked for.

`DECORATE_FAILPOINTS=hop.handle:delay_ms=300@0.01` slows one record in a hundred in `decorate`. The
part behind `@` is a chance below 1, or the number of the one visit that it happens at.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass

NAMES = (
    "hop.handle",
    "rebalance.in_assign",
    "sink.in_copy",
    "sink.before_commit",
    "sink.after_pg_commit",
)

_FAILPOINT = re.compile(r"([a-z_.]+):(delay_ms=([0-9]{1,6})|kill9)(?:@(0\.[0-9]{1,6}|[0-9]{1,9}))?")


@dataclass(slots=True)
class _Fault:
    delay_s: float
    is_fatal: bool
    chance: float = 1.0
    at_visit: int = 0
    visits: int = 0

    def is_due(self) -> bool:
        self.visits += 1
        if self.at_visit:
            return self.visits == self.at_visit
        return random.random() < self.chance  # noqa: S311 - a draw, not a secret.


class Failpoints:
    """The faults that one process was asked for; without any, a visit costs one look-up."""

    def __init__(self, text: str = "") -> None:
        self._faults = read_failpoints(text)

    async def visit(self, name: str) -> None:
        """Pass a place; what was asked for there happens."""
        fault = self._faults.get(name)
        if fault is None or not fault.is_due():
            return
        if fault.is_fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        await asyncio.sleep(fault.delay_s)


def read_failpoints(text: str) -> Mapping[str, _Fault]:
    """Read the faults by the places they are for. Raises `ValueError` with what is possible."""
    faults: dict[str, _Fault] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = _FAILPOINT.fullmatch(part)
        if match is None or match[1] not in NAMES:
            raise ValueError(
                f"{part!r} is not a failpoint; write NAME:delay_ms=N or NAME:kill9, then @0.01 for "
                f"a chance or @7 for a visit, with NAME one of {', '.join(NAMES)}"
            )
        fault = _Fault(delay_s=int(match[3] or 0) / 1000, is_fatal=match[2] == "kill9")
        if match[4] and match[4].startswith("0."):
            fault.chance = float(match[4])
        elif match[4]:
            fault.at_visit = int(match[4])
        faults[match[1]] = fault
    return faults
