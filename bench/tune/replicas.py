"""The stages of a trial: any number of replicas, started at once, and what they say meanwhile."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from bench.stack import fleet
from bench.stack.fleet import Fleet
from bench.stack.temporary import Stack
from bench.tune import knobs
from bench.tune.knobs import Changes
from services.topology import DECORATE, PIPELINE

# What makes a stage slow, for the trials of what happens then.
FAILPOINTS = f"{DECORATE.stage.upper()}_FAILPOINTS"
_ASSIGNED = "partitions assigned"
_REFUSED = "commit refused"
# The door takes no more while it says so; nobody is sending here by then.
_AT_ONCE = {"INGEST_DRAIN_NOTICE_S": "0"}


@asynccontextmanager
async def running(
    stack: Stack, environ: Mapping[str, str], changes: Changes
) -> AsyncGenerator[Fleet]:
    """Yield stages that have their partitions; what is left of them at the end is killed."""
    wave = [hop.stage for hop in PIPELINE for _ in range(knobs.replicas(changes, hop.stage))]
    async with fleet.started(stack, {**environ, **_AT_ONCE}, [wave]) as working:
        await working.settle()
        yield working


async def make_quick(working: Fleet, environ: Mapping[str, str]) -> None:
    """Put a decorate that is not slow in the place of those that are."""
    # What they have begun would take longer than a drain may.
    await working.kill(DECORATE.stage)
    quick = {name: value for name, value in environ.items() if name != FAILPOINTS}
    await working.start([DECORATE.stage], {**quick, **_AT_ONCE})


def rebalances(working: Fleet, since_s: float, until_s: float) -> dict[str, int]:
    """Count how often partitions were dealt out anew, by stage, as the busiest replica saw."""
    found = {hop.stage: 0 for hop in PIPELINE if hop.reads}
    for one in working.ever:
        if one.stage in found:
            seen = [at for at in one.moments(_ASSIGNED) if since_s <= at <= until_s]
            found[one.stage] = max(found[one.stage], len(seen))
    return found


def commits_refused(working: Fleet, since_s: float, until_s: float) -> int:
    """Count commits of members that had left their group by then."""
    moments = [at for one in working.ever for at in one.moments(_REFUSED)]
    return sum(since_s <= at <= until_s for at in moments)


def of_stages(cpu_s: Mapping[str, float]) -> dict[str, float]:
    """Add up what the replicas of each stage took."""
    summed: defaultdict[str, float] = defaultdict(float)
    for title, seconds in cpu_s.items():
        summed[title.partition("-")[0]] += seconds
    return dict(summed)
