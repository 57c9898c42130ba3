"""Rows of readers that go wrong: a fetch task that dies or hangs, and a slow claim; F14, F19."""

from __future__ import annotations

import asyncio

from libs.stage import watchdog
from services.topology import SINK
from tests.faults import logs, store
from tests.faults.processes import happens
from tests.faults.scene import Row, Scene
from tests.faults.sick import REPLICA, Sick, sick, with_failpoint
from tests.replica import HANG_FETCH, KILL_FETCH

# What the process itself, that is its supervisor, waits for at most.
_ENDS_LIMIT_S = 40.0
_NOT_LIVE_LIMIT_S = 15.0
_EXIT_FAILED = 1
_CLAIMS_LIMIT_S = 40.0
_CLAIM_DELAY_MS = 500
# Half a second for each of the partitions that one of two replicas gets.
_SLOW_S = 2.5
_SETTLES_S = 9.0
_OUT_OF_TURN = "records out of turn"


def fetching_ends(scene: Scene) -> None:
    """Let the fetch task of a hop hang, and that of a sink die; each ends, and is started again."""
    ways = (
        ("normalize", "hangs", HANG_FETCH, watchdog.EXIT_NOT_LIVE),
        ("sink", "dies", KILL_FETCH, _EXIT_FAILED),
    )
    for stage, what, illness, code in ways:
        with sick(scene.stack, stage, illness) as replica:
            replica.works()
            scene.under_load(2.0)
            with scene.fault(f"the fetch task of {stage} {what}") as fault:
                clock, pid = scene.clock(), replica.pid
                replica.falls_ill()
                if replica.ends(_ENDS_LIMIT_S) == code:
                    fault.proof = f"pid {pid} ended with {code} after {clock():.1f} s"
                if clock() > _NOT_LIVE_LIMIT_S:
                    scene.record.complaints.append(f"{stage} took {clock():.1f} s to end")
            replica.start()
            replica.works()
            scene.under_load(_SETTLES_S)


def slow_claims(scene: Scene) -> None:
    """Let another sink take seconds to claim what it gets, twice; nothing comes before that."""
    mark = logs.Mark(logs.of(scene.stack, SINK.stage))
    for _ in range(2):
        failpoint = f"rebalance.in_assign:delay_ms={_CLAIM_DELAY_MS}"
        with with_failpoint(scene.stack, SINK.stage, failpoint) as replica:
            with scene.fault("a sink claims slowly") as fault:
                fault.proof = _claims_slowly(scene, replica)
            scene.under_load(_SETTLES_S)
            if replica.says(_OUT_OF_TURN):
                scene.record.complaints.append("the slow sink got records before their claim")
        scene.under_load(_SETTLES_S)
    if mark.said(_OUT_OF_TURN):
        scene.record.complaints.append("the other sink got records before their claim")


def _claims_slowly(scene: Scene, replica: Sick) -> str:
    """Wait until it has claimed all that it was assigned; empty if that was too fast."""
    replica.works()
    clock, mark = scene.clock(), logs.Mark(replica.log, 0)

    def is_done() -> bool:
        return _claimed(scene) == len(mark.said("partitions assigned")[-1]["partitions"])

    is_slow = happens(is_done, _CLAIMS_LIMIT_S) and clock() >= _SLOW_S
    return f"{_claimed(scene)} claims took {clock():.1f} s" if is_slow else ""


def _claimed(scene: Scene) -> int:
    owner = f"{SINK.stage}-{REPLICA}"
    return asyncio.run(store.owned(scene.stack.values["DATABASE_URL"], owner))


ROWS = (
    Row("F14", "fetch task hangs, fetch task dies", fetching_ends, 15.0, faults_min=2),
    Row("F19", "sink takes 3 s for its claims", slow_claims, 12.0, faults_min=2),
)
