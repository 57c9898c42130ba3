"""The warm-up that every bench has: after it, a run takes what the next one does."""

from __future__ import annotations

from bench.load import bodies
from bench.load.rig import Rig
from bench.stack import fleet, stages
from bench.stack.temporary import Stack
from bench.watch.table import Table
from tools.progress import Step

# Kafka's Java still compiles itself during the first million events, at several times the cost.
_RUNS, _EVENTS_MAX = 5, 200_000
_BATCH = 100


async def warm_up(stack: Stack, table: Table, events: int) -> None:
    """Work off five times as many events as a run has, up to a million; none of them stays."""
    run_events = max(min(events, _EVENTS_MAX), _BATCH)
    await table.clear()
    async with fleet.running(stack, stages.sampled(0.01)) as working:
        rig = Rig(stack, table, working, bodies.endless(run_events, _BATCH), _BATCH)
        for number in range(1, _RUNS + 1):
            with Step(f"Warming up, {number} of {_RUNS}") as step:
                await rig.saturate(run_events, step.update)
    await table.clear()
