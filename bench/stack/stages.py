"""Stages as processes of the bench, each with the variables of what is measured."""

from __future__ import annotations

import sys
import time
from asyncio.subprocess import Process
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from bench.stack import programs
from bench.stack.endings import Ending, Spans
from bench.stack.programs import Program
from bench.stack.temporary import Stack
from libs.stage.run import DRAIN_LIMIT_S
from tools.env import REPOSITORY

# No cap, and nothing rebuilt afterwards: in a backlog every request is a slow one.
UNCAPPED: Mapping[str, str] = MappingProxyType(
    {"TRACE_PER_SECOND_MAX": "1e9", "TRACE_RETRO_SLOW_S": "0"}
)
# Enough for the waterfalls of every load, and few enough to cost nothing that could be measured.
FEW_SAMPLED: Mapping[str, str] = MappingProxyType(
    {**UNCAPPED, "OTEL_TRACES_SAMPLER_ARG": "1", "TRACE_PER_SECOND_MAX": "25"}
)
# A stage's last word on its spans, from libs/tracing/export.py.
_TALLIES = ("spans exported", "spans lost")


class Stage(Program):
    """One replica of a stage."""

    def __init__(self, stage: str, number: int, process: Process, log: Path) -> None:
        super().__init__(titled(stage, number), process, log)
        self.stage = stage

    async def drain(self) -> Ending:
        """Let it end. Raises `OperatorError` if it does not end well: its offsets may be lost."""
        began_s = time.monotonic()
        self.terminate()
        await self._well_ended(DRAIN_LIMIT_S)
        return Ending(time.monotonic() - began_s, self._spans())

    def moments(self, event: str) -> list[float]:
        """Return when it said something (s since the epoch)."""
        told = [one["timestamp"] for one in self._told() if one.get("event") == event]
        return [datetime.fromisoformat(at).timestamp() for at in told]

    def _is_ready(self) -> bool:
        return any(one.get("event") == "ready" for one in self._told())

    def _spans(self) -> Spans:
        told = [one for one in self._told() if one.get("event") in _TALLIES]
        # It says nothing if it does not trace.
        if not told:
            return Spans()
        return Spans(told[-1]["exported"], told[-1]["failed"] + told[-1]["dropped"])

    def _told(self) -> Iterator[dict[str, Any]]:
        return (msgspec.json.decode(line) for line in self.lines() if line.startswith("{"))


async def start(stack: Stack, stage: str, environ: Mapping[str, str], number: int) -> Stage:
    """Start a replica of a stage; they count from 0."""
    command = (sys.executable, "-m", f"services.{stage}")
    process, log = await programs.leashed(
        stack, titled(stage, number), command, {**environ, "TTG_REPLICA": str(number)}, REPOSITORY
    )
    return Stage(stage, number, process, log)


def sampled(share: float) -> dict[str, str]:
    """Return the variables of stages that trace so much of all requests, from 0 to 1."""
    return {**UNCAPPED, "OTEL_TRACES_SAMPLER_ARG": f"{share:g}"}


def titled(stage: str, number: int) -> str:
    """Name a replica; the first is called as its stage."""
    return f"{stage}-{number}" if number else stage
