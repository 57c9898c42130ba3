"""Finds the processes of a stack by the marker in their environment, and ends leftovers."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil

MARKER = "TTG_STACK"
# Longer than a stage's own drain.
_PATIENCE_S = 25.0
_KILL_PATIENCE_S = 5.0


def marked(stack: Path) -> list[psutil.Process]:
    """Return the processes of `stack` and their children, whoever supervises them."""
    ours = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        if process.pid in ours or not has_marker(process, stack):
            continue
        found[process.pid] = process
        # PostgreSQL's workers write over their environment.
        found.update((child.pid, child) for child in _children(process))
    return [process for pid, process in found.items() if pid not in ours]


def sweep(stack: Path, patience_s: float = _PATIENCE_S) -> int:
    """End what is left of `stack`: asked first, killed past the limit. Return how many."""
    leftovers = marked(stack)
    for process in leftovers:
        # 2 is PostgreSQL's fast stop; 15 would wait for clients that may never leave.
        _send(process, signal.SIGINT if _name(process) == "postgres" else signal.SIGTERM)
    _gone, alive = psutil.wait_procs(leftovers, timeout=patience_s)
    for process in alive:
        _send(process, signal.SIGKILL)
    psutil.wait_procs(alive, timeout=_KILL_PATIENCE_S)
    return len(leftovers)


def has_marker(process: psutil.Process, stack: Path) -> bool:
    """Tell whether `process` carries the mark of `stack`."""
    try:
        return process.environ().get(MARKER) == str(stack)
    except (psutil.Error, OSError):
        return False


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.Error:
        return ""


def _send(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.Error:
        # It ended by itself in the meantime.
        return
