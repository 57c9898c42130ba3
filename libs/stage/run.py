"""The loop of a stage: poll, work, commit, until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

import structlog

from libs.kafka import Consumer, Record, next_offsets

_log = structlog.get_logger()

# Returns once every record is durable downstream, dead-lettered, or somebody else's; never empty.
Work = Callable[[list[Record]], Awaitable[None]]

# A drain that takes longer than this ends without one: the offsets are not committed, so the
# next owner does the work again. Each step of it has a limit of its own, and they fit in here.
DRAIN_LIMIT_S = 20.0
_EXIT_UNDRAINED = 70


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


def stop_on_signal() -> asyncio.Event:
    """Give the event that SIGTERM and Ctrl-C set; a second signal ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if stop.is_set():
            _log.warning("stopped by a second signal", signal=number.name)
            os._exit(_EXIT_UNDRAINED)
        _log.info("draining", signal=number.name, drain_limit_s=DRAIN_LIMIT_S)
        stop.set()
        loop.call_later(DRAIN_LIMIT_S, _give_up)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    return stop


def _give_up() -> None:
    _log.error("not drained in time", drain_limit_s=DRAIN_LIMIT_S)
    os._exit(_EXIT_UNDRAINED)
