"""Faults on purpose, for tests: named places in the work of a stage where one can be asked for.

`DECORATE_FAILPOINTS=hop.handle:delay_ms=300@0.01` slows one record in a hundred in `decorate`. The
part behind `@` is a chance below 1, or the number of the one visit that it happens at.

kill9       the process kills itself
stop        it stands still until somebody sends SIGCONT
delay_ms=N  the work waits, the event loop goes on
block_ms=N  the event loop stands still
raise=NAME  an error: Unavailable, Rejected, OSError or RuntimeError
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from libs.errors import Rejected, Unavailable

NAMES = (
    # A record is acknowledged, and no request in it is answered yet.
    "ingest.after_send",
    "hop.handle",
    # A record is acknowledged in the next topic, others of its poll may not be.
    "hop.after_produce",
    "hop.before_commit",
    "dlq.after_produce",
    "rebalance.in_assign",
    "sink.in_copy",
    "sink.before_commit",
    "sink.after_pg_commit",
)

_ERRORS: Mapping[str, Callable[[str], Exception]] = {
    "Unavailable": Unavailable,
    "Rejected": Rejected,
    "OSError": OSError,
    "RuntimeError": RuntimeError,
}
_FAILPOINT = re.compile(
    r"(?P<name>[a-z_.]+):"
    r"(?P<action>kill9|stop|delay_ms=[0-9]{1,6}|block_ms=[0-9]{1,6}|raise=[A-Za-z]+)"
    r"(?:@(?P<when>0\.[0-9]{1,6}|[0-9]{1,9}))?"
)


@dataclass(slots=True)
class _Fault:
    name: str
    action: str
    # Milliseconds, or the name of an error.
    argument: str = ""
    chance: float = 1.0
    at_visit: int = 0
    visits: int = 0

    def is_due(self) -> bool:
        self.visits += 1
        if self.at_visit:
            return self.visits == self.at_visit
        return random.random() < self.chance  # noqa: S311 - a draw, not a secret.

    async def happen(self) -> None:
        if self.action == "kill9":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.action == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        elif self.action == "raise":
            raise _ERRORS[self.argument](f"the failpoint {self.name}")
        elif self.action == "block_ms":
            time.sleep(int(self.argument) / 1000)  # noqa: ASYNC251 - blocking is the fault.
        else:
            await asyncio.sleep(int(self.argument) / 1000)


class Failpoints:
    """The faults that one process was asked for; without any, a visit costs one look-up."""

    def __init__(self, text: str = "") -> None:
        self._faults = read_failpoints(text)

    async def visit(self, name: str) -> None:
        """Pass a place; what was asked for there happens."""
        fault = self._faults.get(name)
        if fault is not None and fault.is_due():
            await fault.happen()


def read_failpoints(text: str) -> Mapping[str, _Fault]:
    """Read the faults by the places they are for. Raises `ValueError` with what is possible."""
    faults: dict[str, _Fault] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = _FAILPOINT.fullmatch(part)
        action, _, argument = match["action"].partition("=") if match else ("", "", "")
        is_known = match is not None and match["name"] in NAMES
        if match is None or not is_known or (action == "raise" and argument not in _ERRORS):
            raise ValueError(
                f"{part!r} is not a failpoint; write NAME:kill9, NAME:stop, NAME:delay_ms=N, "
                f"NAME:block_ms=N or NAME:raise=ERROR, then @0.01 for a chance or @7 for a visit, "
                f"with ERROR one of {', '.join(_ERRORS)} and NAME one of {', '.join(NAMES)}"
            )
        fault = _Fault(match["name"], action, argument)
        when = match["when"] or ""
        if when.startswith("0."):
            fault.chance = float(when)
        elif when:
            fault.at_visit = int(when)
        faults[fault.name] = fault
    return faults
