"""Rows of processes that stand still and come back: F08 to F10. Others have their work by then."""

from __future__ import annotations

from collections.abc import Callable

from libs.stage import failpoints
from tests.faults.processes import happens
from tests.faults.scene import Row, Scene
from tests.faults.sick import with_failpoint

# Longer than a session, so that its partitions are somebody else's.
_STANDS_STILL_S = 10.0
_NOTICES_LIMIT_S = 20.0


def zombie(stage: str, name: str, *signs: str) -> Callable[[Scene], None]:
    """Stop another replica in its work until it has lost its partitions, and let it go on.

    Its log must hold one of `signs` then: that is how it is known that it was refused.
    """

    def inject(scene: Scene) -> None:
        with (
            with_failpoint(scene.stack, stage, f"{name}:stop@3") as replica,
            scene.fault(f"{stage} is a zombie at {name}") as fault,
        ):
            proof = replica.stands_still()
            scene.under_load(_STANDS_STILL_S)
            replica.goes_on()
            if not signs:
                fault.proof = proof
            elif happens(lambda: any(map(replica.says, signs)), _NOTICES_LIMIT_S):
                fault.proof = f"{proof}, and was refused"
        scene.under_load(3.0)

    return inject


def _sink(row: str, name: str, what: str) -> list[Row]:
    if name not in failpoints.NAMES:
        return []
    return [Row(row, what, zombie("sink", name), 15.0)]


ROWS = (
    Row("F08", "zombie hop", zombie("normalize", "hop.before_commit", "commit refused"), 12.0),
    *_sink("F09", "sink.in_copy", "zombie sink in its transaction"),
    *_sink("F10", "sink.before_commit", "zombie sink before its COMMIT"),
)
