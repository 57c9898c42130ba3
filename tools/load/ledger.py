"""The ledger of a run: a line for each event, for whoever checks later what became of it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, Self

import msgspec

from libs.clock import now_us
from tools.load.plan import Plan

# `rejected`: refused each time it was sent, so nothing of it was kept. `unknown`: no clear answer
# came at least once, and then none that accepts it.
Fate = Literal["acked", "rejected", "unknown"]

_encoder = msgspec.json.Encoder(order="sorted")


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One event; times are µs since the epoch, `sequence` counts the events of its key from 0.

    `sha256` is of `sent`, the event as JSON with its keys sorted.
    """

    tenant: str
    event_id: str
    sha256: str
    key: str
    sequence: int
    due_us: int
    sent_us: int
    answered_us: int
    outcome: Fate
    status: int
    tries: int
    trace_id: str
    is_sampled: bool
    sent: dict[str, Any]


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The first line: whose run it is."""

    run_id: str
    tenant: str
    started_us: int
    batch: int


class End(msgspec.Struct, frozen=True, kw_only=True):
    """The last line; a ledger without one is not whole."""

    ended_us: int
    events: int


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one request when it is done with."""

    due_us: int
    sent_us: int
    outcome: Fate
    status: int
    tries: int
    trace_id: str = ""
    is_sampled: bool = False


class Ledger:
    """A file that grows as requests are answered, in the order of the answers."""

    def __init__(self, path: Path, plan: Plan, tenant: str) -> None:
        self._path = path
        self._plan = plan
        self._tenant = tenant
        self._events = 0
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self._file = self._path.open("wb")
        head = Head(
            run_id=str(self._plan.run_id),
            tenant=self._tenant,
            started_us=now_us(),
            batch=self._plan.batch,
        )
        self._write(head)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._write(End(ended_us=now_us(), events=self._events))
        assert self._file is not None
        self._file.close()

    def note(self, request: int, answered: Answered) -> None:
        """Write the events of one request."""
        plan = self._plan
        key = plan.key(request)
        for place, sent in enumerate(plan.sent(request)):
            self._write(
                Line(
                    tenant=self._tenant,
                    event_id=sent["event_id"],
                    sha256=hashlib.sha256(_encoder.encode(sent)).hexdigest(),
                    key=key,
                    sequence=plan.turn(request) * plan.batch + place,
                    due_us=answered.due_us,
                    sent_us=answered.sent_us,
                    answered_us=now_us(),
                    outcome=answered.outcome,
                    status=answered.status,
                    tries=answered.tries,
                    trace_id=answered.trace_id,
                    is_sampled=answered.is_sampled,
                    sent=sent,
                )
            )
        self._events += plan.batch

    def _write(self, line: msgspec.Struct) -> None:
        assert self._file is not None
        self._file.write(_encoder.encode(line) + b"\n")
