"""A machine and a stack that are nowhere, for the tests of what is measured on them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.stack.temporary import Stack
from bench.watch.machine import Machine
from tools.env import StackEnv
from tools.native.settings import Settings

MACHINE = Machine(
    date="2026-01-02 03:04 UTC",
    commit="abc1234",
    processor="a processor",
    cores=2,
    memory_gib=8,
    system="Linux 6",
    load_average=0.1,
    versions={"Python": "3.11"},
)


def stack_in(folder: Path, pids: Mapping[str, int]) -> Stack:
    """The folders and variables of a stack; nothing of it runs."""
    settings = Settings(folder / "state", folder / "cache")
    settings.logs.mkdir(parents=True)
    settings.run.mkdir(parents=True)
    reached = StackEnv(**{name: name for name in StackEnv.__annotations__})
    return Stack(settings, reached, pids)
