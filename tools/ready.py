"""Waits until the processes of a stack are ready, and gives up where no waiting helps."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from tools.errors import OperatorError
from tools.process import Process, order
from tools.progress import Step

LIMIT_S = 120.0
POLL_S = 0.2
# A process that ended this often during one wait does not become ready by another try.
_RESTARTS_MAX = 4
_TAIL_LINES = 15


class Stack(Protocol):
    """What is waited for: the part of a mode that says how its processes are."""

    def is_up(self) -> bool:
        """Tell whether it was started and not stopped. Raises `OperatorError` if nobody says."""
        ...

    def processes(self) -> list[Process]:
        """Return every process, in no order. Raises `OperatorError` if nobody lists them."""
        ...

    def tail(self, process: Process | None, lines: int) -> str:
        """Return the last lines of a process, or of what supervises all of them."""
        ...


def all_ready(processes: Sequence[Process]) -> bool:
    """Tell whether there are processes and each of them is ready."""
    return bool(processes) and all(one.is_ready for one in processes)


def wait(
    stack: Stack,
    title: str = "Starting",
    *,
    limit_s: float = LIMIT_S,
    poll_s: float = POLL_S,
    is_over: Callable[[Sequence[Process]], bool] = all_ready,
) -> None:
    """Wait for `is_over`. Raises `OperatorError` if it cannot come, or not within `limit_s`."""
    deadline = time.monotonic() + limit_s
    restarts_before: dict[str, int] = {}
    with Step(title) as step:
        while True:
            processes = sorted(_listed(stack), key=order)
            step.update("  ".join(f"{one.name} {one.state}" for one in processes))
            if is_over(processes):
                return
            for one in processes:
                restarts_before.setdefault(one.name, one.restarts)
            _refuse_failed(stack, processes, restarts_before)
            if time.monotonic() > deadline:
                raise _late(stack, processes, limit_s)
            time.sleep(poll_s)


def hopeless(processes: Sequence[Process], restarts_before: Mapping[str, int]) -> Process | None:
    """Return the first process that no waiting makes ready; `None` if there is none.

    `restarts_before` says how often each had been restarted before the wait: a stack that has run
    for days may have many behind it.
    """
    for one in processes:
        restarts = one.restarts - restarts_before[one.name]
        if not one.is_ready and (one.state == "failed" or restarts >= _RESTARTS_MAX):
            return one
    return None


def _listed(stack: Stack) -> list[Process]:
    try:
        return stack.processes()
    except OperatorError:
        # It does not listen yet; the caller looks whether it lives, and at the clock.
        return []


def _lives(stack: Stack) -> bool:
    try:
        return stack.is_up()
    except OperatorError:
        # Who cannot say now may say it later; the clock ends the wait.
        return True


def _refuse_failed(
    stack: Stack, processes: Sequence[Process], restarts_before: Mapping[str, int]
) -> None:
    if not _lives(stack):
        raise OperatorError("The supervisor ended by itself:\n" + stack.tail(None, _TAIL_LINES))
    found = hopeless(processes, restarts_before)
    if found is not None:
        raise OperatorError(
            f"{found.name} does not start (exit code {found.exit_code}). Its log ends:\n"
            + stack.tail(found, _TAIL_LINES)
        )


def _late(stack: Stack, processes: Sequence[Process], limit_s: float) -> OperatorError:
    process = next((one for one in processes if not one.is_ready), None)
    name = process.name if process else "The stack"
    return OperatorError(
        f"{name} is not ready after {limit_s:.0f} s. Its log ends:\n"
        + stack.tail(process, _TAIL_LINES)
    )
