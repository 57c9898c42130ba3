"""The row of a clock that is set: F52. What a stage waits for must not hang on the time of day.

The clock is that of one process, and what Python code sees of it: a machine's own would be set for
its broker and its database, too.
"""

from __future__ import annotations

from tests.faults.processes import happens
from tests.faults.scene import Row, Scene
from tests.faults.sick import sick

_JUMPED = "clock jumped"
_JUMP = (
    "real_ns, real = time.time_ns, time.time; "
    "time.time_ns = lambda: real_ns() + {0} * 10**9; "
    "time.time = lambda: real() + {0}; "
    f"print('{_JUMPED}', flush=True)"
)
_JUMPS_S = (2 * 3_600, -3_600)
_STAGES = ("normalize", "sink")
_JUMPS_LIMIT_S = 10.0
_WORKS_S = 6.0
_SETTLES_S = 4.0


def clock_is_set(scene: Scene) -> None:
    """Set the clock of another replica two hours on, and of one an hour back, in its work."""
    for stage in _STAGES:
        for jump_s in _JUMPS_S:
            with sick(scene.stack, stage, _JUMP.format(jump_s)) as replica:
                replica.works()
                scene.under_load(1.0)
                with scene.fault(f"the clock of {stage} jumps by {jump_s} s") as fault:
                    replica.falls_ill()
                    if happens(lambda one=replica: one.says(_JUMPED), _JUMPS_LIMIT_S):
                        fault.proof = f"pid {replica.pid} has another time"
                    scene.under_load(_WORKS_S)
                if replica.process.poll() is not None:
                    scene.record.complaints.append(f"{stage} ended when its clock was set")
            scene.under_load(_SETTLES_S)


ROWS = (
    Row("F52", "clock of a hop and of a sink set by 2 h and -1 h", clock_is_set, 8.0, is_p0=False,
        faults_min=len(_STAGES) * len(_JUMPS_S)),
)  # fmt: skip
