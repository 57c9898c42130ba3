"""The loop of a stage: poll, work, commit, until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Callable

import structlog

from libs.kafka import Consumer, Record, next_offsets
from libs.stage import watchdog

_log = structlog.get_logger()

# Returns once every record is durable downstream, dead-lettered, or somebody else's; never empty.
Work = Callable[[list[Record]], Awaitable[None]]

# A drain that takes longer than this ends without one: the offsets are not committed, so the
# next owner does the work again. Each step of it has a limit of its own, and they fit in here.
DRAIN_LIMIT_S = 20.0


async def run(consumer: Consumer, work: Work, stop: asyncio.Event) -> None:
    """Work on records until `stop`; what was polled is finished and committed first.

    An error of `work` ends the loop with nothing of its poll committed.
    """
    while not stop.is_set():
        records = await consumer.poll()
        async with consumer.working():
            if records:
                await work(records)
            await consumer.commit(next_offsets(records))


class Stop(asyncio.Event):
    """Set when the stage is to end; until it has `begun` a signal also breaks its start off."""

    def __init__(self) -> None:
        super().__init__()
        self._start = asyncio.current_task()

    def begun(self) -> None:
        """Say that there is work, which a signal must not break off."""
        self._start = None

    def on_signal(self) -> None:
        """End, the way it is done now."""
        self.set()
        if self._start is not None:
            self._start.cancel()


def stop_on_signal() -> Stop:
    """Give the event that SIGTERM and Ctrl-C set; a second signal ends the process at once."""
    stop = Stop()
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if stop.is_set():
            _log.warning("stopped by a second signal", signal=number.name)
            os._exit(watchdog.EXIT_UNDRAINED)
        _log.info("draining", signal=number.name, drain_limit_s=DRAIN_LIMIT_S)
        # A thread, because the end of a process may also hang when its loop is gone.
        limit = threading.Timer(DRAIN_LIMIT_S, _give_up, [loop])
        limit.daemon = True
        limit.start()
        stop.on_signal()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    # A terminal that is closed is no reason to end, nor is there anything to read again.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return stop


def _give_up(loop: asyncio.AbstractEventLoop) -> None:
    watchdog.end_process(
        loop, watchdog.EXIT_UNDRAINED, "not drained in time", drain_limit_s=DRAIN_LIMIT_S
    )
