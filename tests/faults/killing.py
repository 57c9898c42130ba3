"""Rows F01 to F06: processes that are killed, one at a time, all of a stage, again and again."""

from __future__ import annotations

from collections.abc import Callable

from tests.faults.scene import Row, Scene


def killed(stage: str, times: int, every_s: float) -> Callable[[Scene], None]:
    """Kill a stage with `kill -9` and let its supervisor start it again."""

    def inject(scene: Scene) -> None:
        for _ in range(times):
            scene.moment(f"kill -9 {stage}", lambda: scene.processes.kill(stage))
            scene.under_load(every_s)

    return inject


ROWS = (
    Row("F02", "normalize killed", killed("normalize", 1, 9.0), 12.0, may_restart=("normalize",)),
)
