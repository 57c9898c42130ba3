"""What the processes of a pipeline have taken by a moment: processors, memory, open files."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import psutil

from bench.stack.stages import Stage
from bench.stack.temporary import Stack
from bench.watch import meter
from bench.watch.meter import now_s

# What the stages stand on, and is told beside them.
_UNDER = ("kafka", "postgres", "jaeger")


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What processes have taken until a moment (s since the epoch); replicas are added up.

    `rss_bytes` and `files` are what they hold at that moment.
    """

    at_s: float
    cpu_s: dict[str, float]
    rss_bytes: dict[str, int]
    files: dict[str, int]


def look(stack: Stack, replicas: Sequence[Stage]) -> Usage:
    """Look at what stages and what they stand on have taken by now.

    Raises `OperatorError` if a stage has ended.
    """
    processes = [(one.stage, [one.seen()]) for one in replicas]
    processes += [(name, _family(stack.pids[name])) for name in _UNDER]
    cpu_s: dict[str, float] = {}
    rss_bytes: dict[str, int] = {}
    files: dict[str, int] = {}
    for name, family in processes:
        for process in family:
            try:
                seconds, held_bytes, opened = _taken(process)
            except psutil.NoSuchProcess:
                # A connection of the database that has just ended.
                continue
            cpu_s[name] = cpu_s.get(name, 0.0) + seconds
            rss_bytes[name] = rss_bytes.get(name, 0) + held_bytes
            files[name] = files.get(name, 0) + opened
    return Usage(at_s=now_s(), cpu_s=cpu_s, rss_bytes=rss_bytes, files=files)


def us_per_event(before: Usage, after: Usage, events: int) -> dict[str, float]:
    """Return the processor time between two looks for one event, of each by its name."""
    spent_s = {name: after.cpu_s[name] - before.cpu_s[name] for name in after.cpu_s}
    return meter.us_per_event(spent_s, events)


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _taken(process: psutil.Process) -> tuple[float, int, int]:
    with process.oneshot():
        times = process.cpu_times()
        # With what its children took that have ended, as those of a connection.
        seconds = times.user + times.system + times.children_user + times.children_system
        return seconds, process.memory_info().rss, process.num_fds()
