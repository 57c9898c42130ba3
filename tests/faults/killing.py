"""Rows of processes that are killed, drained, and scaled: F01 to F06, F15, F55."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from libs.stage import failpoints
from tests.faults.load import Offer
from tests.faults.pressure import poison_is_buried
from tests.faults.processes import STAGES, Processes, happens
from tests.faults.scene import Entrance, Row, Scene
from tests.faults.sick import KEY, Sick, sick_door, with_failpoint

_HOPS = ("normalize", "decorate", "sink")
_SESSION_S = 6.0
_GROUP_SETTLES_S = 9.0
# Long enough to be seen as a recovery before the next fault.
_QUIET_S = 4.0


def killed(stage: str, times: int, every_s: float) -> Callable[[Scene], None]:
    """Kill a stage with `kill -9` and let its supervisor start it again."""

    def inject(scene: Scene) -> None:
        for _ in range(times):
            scene.moment(f"kill -9 {stage}", lambda: scene.processes.kill(stage))
            scene.under_load(every_s)

    return inject


def dying_at(stage: str, *names: str) -> Callable[[Scene], None]:
    """Let another replica of a stage kill itself at each of some places in its work."""

    def inject(scene: Scene) -> None:
        for name in names:
            with (
                with_failpoint(scene.stack, stage, f"{name}:kill9@3") as replica,
                scene.fault(f"{stage} dies at {name}") as fault,
            ):
                fault.proof = replica.dies()
            scene.under_load(_GROUP_SETTLES_S)

    return inject


def failpoints_of(prefix: str) -> tuple[str, ...]:
    """The places of a stage's work that have a name."""
    return tuple(name for name in failpoints.NAMES if name.startswith(prefix))


@contextmanager
def fragile_door(processes: Processes) -> Iterator[Entrance]:
    """A door that kills itself when Kafka has a record whose requests are not answered yet."""
    with sick_door(processes, INGEST_FAILPOINTS="ingest.after_send:kill9@40") as (door, url):
        processes.guests["door"] = door
        yield Entrance(url, KEY)


def door_dies(scene: Scene) -> None:
    """The load goes to a door that dies; another takes its place at the same address."""
    door: Sick = scene.processes.guests["door"]
    for is_last in (False, False, True):
        with scene.fault("ingest dies at ingest.after_send") as fault:
            fault.proof = door.dies()
            if is_last:
                del door.environ["INGEST_FAILPOINTS"]
            door.start()


def all_away(scene: Scene) -> None:
    """Kill every replica of a stage and keep it away; the topic before it takes what comes."""
    for stage in _HOPS:
        with (
            scene.fault(f"kill -9 {stage}, away for 6 s") as fault,
            scene.processes.away(stage, is_killed=True) as fault.proof,
        ):
            scene.under_load(_SESSION_S)
        scene.under_load(_GROUP_SETTLES_S)


def crash_loop(scene: Scene) -> None:
    """Kill each stage again as soon as it is back."""
    for stage in _HOPS:
        for _ in range(4):
            scene.moment(f"kill -9 {stage}", lambda s=stage: scene.processes.kill(s))
            scene.under_load(2.0)
    scene.under_load(_GROUP_SETTLES_S)


def scaled(scene: Scene) -> None:
    """Scale a stage up and down under load."""
    for stage in _HOPS:
        for replicas in (3, 1):
            with scene.fault(f"scale {stage} to {replicas}") as fault:
                done = scene.stack.ttg("scale", stage, str(replicas))
                fault.proof = done.stdout if done.returncode == 0 else ""


def drained(scene: Scene) -> None:
    """End each stage with SIGTERM, and let its supervisor start it again."""
    for stage in STAGES:
        pid = scene.processes.pid(stage)
        scene.moment(f"SIGTERM {stage}", lambda s=stage: scene.processes.terminate(s))
        happens(lambda s=stage, p=pid: scene.processes.pid(s) not in (None, p), _GROUP_SETTLES_S)
        scene.processes.until_ready(stage)
        scene.under_load(_QUIET_S)


def nothing_is_done_twice(verdict: Mapping[str, Any]) -> str:
    """A drain leaves nothing behind that another replica would do again."""
    again = {topic: count for topic, count in verdict["copies_again"].items() if count}
    return f"copies were written again: {again}" if again else ""


def all_is_known(verdict: Mapping[str, Any]) -> str:
    """Each request gets its answer."""
    unknown = verdict["unknown"]
    return f"{unknown} events are of an unknown outcome" if unknown else ""


ROWS = (
    Row("F01", "ingest killed, three times", killed("ingest", 3, 5.0), 5.0,
        may_restart=("ingest",), faults_min=3),
    Row("F01.window", "ingest dies between ack and answer", door_dies, 0.0,
        entrance=fragile_door, faults_min=3),
    Row("F02", "normalize killed", killed("normalize", 1, _GROUP_SETTLES_S), 8.0,
        may_restart=("normalize",), is_bounded=True),
    Row("F02.windows", "normalize dies at each of its places",
        dying_at("normalize", *failpoints_of("hop.")), 12.0, faults_min=3),
    Row("F02.dlq", "normalize dies behind a dead letter",
        dying_at("normalize", "dlq.after_produce"), 12.0, offer=Offer(poison=0.01),
        rules=(poison_is_buried,)),
    Row("F03", "decorate killed", killed("decorate", 1, _GROUP_SETTLES_S), 8.0,
        may_restart=("decorate",)),
    Row("F03.windows", "decorate dies at each of its places",
        dying_at("decorate", *failpoints_of("hop.")), 12.0, faults_min=3),
    Row("F04", "sink killed, twice", killed("sink", 2, _GROUP_SETTLES_S), 8.0,
        may_restart=("sink",), faults_min=2, is_bounded=True),
    *([Row("F04.windows", "sink dies at each of its places",
           dying_at("sink", *failpoints_of("sink.")), 12.0, is_bounded=True,
           faults_min=len(failpoints_of("sink.")))] if failpoints_of("sink.") else []),
    Row("F05", "all replicas of a stage away", all_away, 12.0, may_restart=_HOPS, faults_min=3),
    Row("F06", "crash loop of each stage", crash_loop, 30.0, may_restart=_HOPS, faults_min=12),
    Row("F15", "scaling 1 to 3 to 1", scaled, 10.0, may_restart=_HOPS, faults_min=6),
    Row("F55", "SIGTERM of each stage", drained, 8.0, may_restart=STAGES, faults_min=4,
        rules=(nothing_is_done_twice, all_is_known)),
)  # fmt: skip
