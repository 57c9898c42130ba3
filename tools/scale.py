"""`ttg scale STAGE N`: more or fewer replicas of a stage, while it runs."""

from __future__ import annotations

import sys
import time

from libs.errors import Unavailable
from services.topology import PARTITIONS, PIPELINE
from tools import mode
from tools.errors import OperatorError
from tools.mode import Mode
from tools.native import settings as native_settings
from tools.progress import Step
from tools.ps import groups
from tools.up import alone

_SCALABLE = tuple(hop.stage for hop in PIPELINE if hop.reads)
_OWNS_A_PORT = ("ingest", "glass")
_TIMEOUT_S = 60.0
_POLL_S = 0.3


def scale(stage: str, n: int) -> None:
    """Run N replicas of a stage. Running replicas stay; the partitions spread over all.

    Parameters
    ----------
    stage
        normalize, decorate or sink.
    n
        How many replicas, from 1 to the number of partitions.
    """
    check(stage, n)
    settings = native_settings.current()
    running = mode.running(settings)
    with alone(settings), Step(f"Scaling {stage} to {n}") as step:
        running.scale(stage, n)
        spread = _wait(running, stage, n, step)
    for client_id, numbers in spread.items():
        sys.stdout.write(f"{client_id}: partitions {','.join(map(str, numbers))}\n")


def check(stage: str, n: int) -> None:
    """Raise `OperatorError` if `stage` cannot run `n` times."""
    if stage in _OWNS_A_PORT:
        raise OperatorError(
            f"{stage} owns a port, so one replica of it runs on a machine; scale one of "
            f"{', '.join(_SCALABLE)}."
        )
    if stage not in _SCALABLE:
        raise OperatorError(f"There is no stage {stage!r}; scale one of {', '.join(_SCALABLE)}.")
    if not 1 <= n <= PARTITIONS:
        raise OperatorError(
            f"{n} replicas of {stage} cannot share {PARTITIONS} partitions; "
            f"choose N from 1 to {PARTITIONS}."
        )


def _wait(running: Mode, stage: str, n: int, step: Step) -> dict[str, list[int]]:
    deadline = time.monotonic() + _TIMEOUT_S
    while True:
        replicas = [one for one in running.processes() if one.stage == stage]
        ready = sum(one.is_ready for one in replicas)
        spread = _spread(stage)
        step.update(f"{ready} of {n} ready, {len(spread)} in the group")
        if ready == len(replicas) == n and is_even(spread, n):
            return spread
        if time.monotonic() > deadline:
            raise OperatorError(
                f"{stage} has {ready} of {n} replicas ready and {len(spread)} in its group after "
                f"{_TIMEOUT_S:.0f} s; look at `make logs STAGE={stage}`."
            )
        time.sleep(_POLL_S)


def is_even(spread: dict[str, list[int]], n: int) -> bool:
    """Tell whether `n` members share all partitions, none more than one above another."""
    counts = [len(numbers) for numbers in spread.values()]
    return len(counts) == n and sum(counts) == PARTITIONS and max(counts) - min(counts) <= 1


def _spread(stage: str) -> dict[str, list[int]]:
    try:
        group = groups().get(stage)
    except (Unavailable, TimeoutError):
        return {}
    if group is None or not group.is_stable:
        return {}
    members = sorted(group.members, key=lambda member: member.client_id)
    return {
        member.client_id: [partition.number for partition in member.partitions]
        for member in members
    }
