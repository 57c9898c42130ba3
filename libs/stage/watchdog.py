"""The last resort: a thread that ends the process when its event loop no longer turns."""

from __future__ import annotations

import asyncio
import io
import os
import sys
import threading
import time
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from types import CoroutineType, FrameType
from typing import NoReturn

import structlog

_log = structlog.get_logger()

# As sysexits.h has them: try again later, and something inside is broken.
EXIT_UNDRAINED = 75
EXIT_NOT_LIVE = 70

_TICK_S = 0.25
# A log that cannot be written must not keep the process alive.
_TELL_LIMIT_S = 2.0


@contextmanager
def watching(limit_s: float) -> Generator[None]:
    """End the process if the running loop does not turn for `limit_s`; none below that dies.

    What native code does while it keeps the interpreter's lock stops the thread as well: only
    somebody who asks from outside sees that.
    """
    over = threading.Event()
    arguments = (asyncio.get_running_loop(), limit_s, over)
    threading.Thread(target=_watch, args=arguments, name="watchdog", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def end_process(loop: asyncio.AbstractEventLoop, code: int, why: str, **facts: object) -> NoReturn:
    """Log why, with the stack of each thread and of each task, and end without any clean-up.

    May be called from any thread; `facts` go into the log.
    """
    stacks = _stacks(loop)

    def tell() -> None:
        _log.error(why, exit_code=code, stacks=stacks, **facts)

    teller = threading.Thread(target=tell, name="last-words", daemon=True)
    teller.start()
    teller.join(_TELL_LIMIT_S)
    os._exit(code)


def _watch(loop: asyncio.AbstractEventLoop, limit_s: float, over: threading.Event) -> None:
    turned = threading.Event()
    turned.set()
    still_s = 0.0
    asked_s = time.monotonic()
    while not over.wait(_TICK_S):
        if turned.is_set():
            still_s = 0.0
            turned.clear()
            try:
                loop.call_soon_threadsafe(turned.set)
            except RuntimeError:
                # The loop is closed.
                return
        now_s = time.monotonic()
        # What this thread did not live through either, the loop is not blamed for: a process that
        # was stopped and goes on, a collection of garbage, a machine that slept.
        still_s += min(now_s - asked_s, 2 * _TICK_S)
        asked_s = now_s
        if still_s > limit_s:
            end_process(loop, EXIT_NOT_LIVE, "the event loop stands still", limit_s=limit_s)


def _stacks(loop: asyncio.AbstractEventLoop) -> str:
    text = io.StringIO()
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    # Documented, in spite of its name.
    frames = sys._current_frames()  # pyright: ignore[reportPrivateUsage]
    for number, frame in frames.items():
        text.write(f"thread {names.get(number, number)}\n")
        traceback.print_stack(frame, file=text)
    for task in asyncio.all_tasks(loop):
        text.write(f"task {task.get_name()}\n")
        traceback.print_list(traceback.StackSummary.extract(_chain(task.get_coro())), file=text)
    return text.getvalue()


def _chain(waiting: object) -> Generator[tuple[FrameType, int]]:
    """The frames of a coroutine and of those that it waits for; the last one is where it is."""
    while isinstance(waiting, CoroutineType):
        frame: FrameType | None = waiting.cr_frame
        if frame is not None:
            yield frame, frame.f_lineno
        waiting = waiting.cr_await
