"""Rows of too much, and of a collector that is away: F47, F51."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.faults.load import Offer
from tests.faults.scene import Row, Scene

_COLLECTOR_S = 8.0


def nothing(scene: Scene) -> None:
    """The load itself is the fault."""
    with scene.fault("the load") as fault:
        scene.under_load(8.0)
        fault.proof = f"{scene.load.acked():,} events were taken"


def collector(scene: Scene) -> None:
    """Take the collector away, then let it hang."""
    with (
        scene.fault("the collector is away") as fault,
        scene.processes.away("jaeger") as fault.proof,
    ):
        scene.under_load(_COLLECTOR_S)
    with scene.fault("the collector hangs") as fault:
        with scene.processes.frozen("jaeger") as fault.proof:
            scene.under_load(_COLLECTOR_S)
    scene.under_load(2.0)


def poison_is_buried(verdict: Mapping[str, Any]) -> str:
    """There were bad events, each is a dead letter, and nothing else is."""
    if not verdict["dead_lettered"]:
        return "no event is a dead letter"
    apart = verdict["acked"] - verdict["stored"] - verdict["dead_lettered"]
    return f"{apart} events are neither stored nor dead letters" if apart > 0 else ""


ROWS = (
    Row("F47", "ten times the load", nothing, 0.0,
        offer=Offer(rate=20_000, batch=200, keys=96, retry_s=10.0)),
    Row("F51", "collector away, and hanging", collector, 3.0, may_restart=("jaeger",),
        faults_min=2),
)  # fmt: skip
