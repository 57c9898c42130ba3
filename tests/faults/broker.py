"""Rows of a broker that is away, paused, cut off, or forgets: F20 to F23, F29, F31 to F33."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.faults import groups, logs
from tests.faults.processes import READY_LIMIT_S, STAGES, Processes, happens
from tests.faults.proxy import Direction, LostKafkaAnswer, Proxy
from tests.faults.scene import Entrance, Row, Scene
from tests.faults.sick import KEY, sick, sick_door

_SETTLES_S = 5.0
# A supervisor waits a second before it starts a process again, and Python takes another.
_STARTS_S = 5.0
_WAITS_S = 10.0
_LOG_LINES_PER_S_MAX = 2.0
_LOST_MIN = 5
_LOST_LIMIT_S = 40.0


def restarted(*, is_killed: bool, away_s: tuple[float, ...]) -> Callable[[Scene], None]:
    """Take the broker away and bring it back, clean or by `kill -9`."""

    def inject(scene: Scene) -> None:
        how = "kill -9" if is_killed else "stop"
        for seconds in away_s:
            with (
                scene.fault(f"{how} kafka, away for {seconds:g} s") as fault,
                scene.processes.away("kafka", is_killed=is_killed) as fault.proof,
            ):
                scene.under_load(seconds)
            scene.under_load(_SETTLES_S)

    return inject


def away(seconds: float) -> Callable[[Scene], None]:
    """Take the broker away for long; nobody may grow, be restarted, or fill its log."""

    def inject(scene: Scene) -> None:
        marks = {stage: logs.Mark(logs.of(scene.stack, stage)) for stage in STAGES}
        restarted(is_killed=False, away_s=(seconds,))(scene)
        for stage, mark in marks.items():
            said = mark.counts()
            rate = said.total() / seconds
            if rate > _LOG_LINES_PER_S_MAX:
                most = ", ".join(f"{event!r} {times}" for event, times in said.most_common(5))
                scene.record.complaints.append(f"{stage} wrote {rate:.1f} lines a second: {most}")

    return inject


def starts_without(scene: Scene) -> None:
    """Kill every stage while the broker is away: each starts once, and waits."""
    with (
        scene.fault("all stages start while kafka is away") as fault,
        scene.processes.away("kafka") as proof,
    ):
        for stage in STAGES:
            scene.processes.kill(stage)
        scene.under_load(_STARTS_S)
        started = {stage: scene.processes.pid(stage) for stage in STAGES}
        scene.under_load(_WAITS_S)
        for stage, pid in started.items():
            if pid is None or scene.processes.pid(stage) != pid:
                scene.record.complaints.append(f"{stage} did not wait for kafka")
        fault.proof = f"{proof}, and {started} were there without it"
    scene.under_load(_SETTLES_S)


def paused(seconds: float) -> Callable[[Scene], None]:
    """Stop the broker in its tracks and let it go on."""

    def inject(scene: Scene) -> None:
        with scene.fault(f"kafka stands still for {seconds:g} s") as fault:
            with scene.processes.frozen("kafka") as fault.proof:
                scene.under_load(seconds)
        scene.under_load(_SETTLES_S)

    return inject


def forgets_offsets(scene: Scene) -> None:
    """Delete the groups of the hops: they read everything again, and the store stays as it is."""
    for group in ("normalize", "decorate"):
        with scene.fault(f"the offsets of {group} are deleted") as fault:
            with scene.processes.away(group):
                # A group can be deleted when its last member has left.
                if happens(lambda g=group: _delete_group(scene, g), READY_LIMIT_S):
                    fault.proof = f"group {group} is gone"
        scene.under_load(_SETTLES_S)


@contextmanager
def proxied(processes: Processes) -> Iterator[Proxy]:
    """A proxy in front of the broker, by the listener that sends its clients there."""
    base = processes.stack.port_base
    with Proxy(base + 11, base + 9, has_frames=True).listening() as proxy:
        yield proxy


def cut_off_hop(scene: Scene) -> None:
    """Put a hop behind a broker that it cannot hear, or that cannot hear it."""
    ways: tuple[tuple[Direction, ...], ...] = (("to_server", "to_client"), ("to_client",))
    with proxied(scene.processes) as proxy:
        servers = f"127.0.0.1:{proxy.port}"
        with sick(scene.stack, "normalize", KAFKA_BOOTSTRAP_SERVERS=servers) as replica:
            replica.works()
            for way in ways:
                scene.under_load(3.0)
                with scene.fault(f"normalize is cut off {' and '.join(way)}") as fault:
                    with proxy.deaf(*way):
                        scene.under_load(12.0)
                    fault.proof = f"{proxy.held} pieces had to wait" if proxy.held else ""
            scene.under_load(_SETTLES_S)


@contextmanager
def door_behind_proxy(processes: Processes) -> Iterator[Entrance]:
    """A door that reaches the broker through a proxy only."""
    with (
        proxied(processes) as proxy,
        sick_door(processes, KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{proxy.port}") as (_, url),
    ):
        processes.guests["proxy"] = proxy
        yield Entrance(url, KEY)


def cut_off_door(scene: Scene) -> None:
    """Put the door behind a broker that it does not hear."""
    proxy: Proxy = scene.processes.guests["proxy"]
    with scene.fault("ingest is cut off from kafka") as fault:
        with proxy.deaf("to_server", "to_client"):
            scene.under_load(12.0)
        fault.proof = f"{proxy.held} pieces had to wait" if proxy.held else ""
    scene.under_load(_SETTLES_S)


def lost_acks(scene: Scene) -> None:
    """Lose answers to what the door writes: it writes again, and the log has one copy."""
    proxy: Proxy = scene.processes.guests["proxy"]
    _lose(scene, proxy, LostKafkaAnswer(LostKafkaAnswer.PRODUCE, every=20), "a Produce")


def lost_commits(scene: Scene) -> None:
    """Lose answers to a hop's commits."""
    with proxied(scene.processes) as proxy:
        servers = f"127.0.0.1:{proxy.port}"
        with sick(scene.stack, "normalize", KAFKA_BOOTSTRAP_SERVERS=servers) as replica:
            replica.works()
            wish = LostKafkaAnswer(LostKafkaAnswer.OFFSET_COMMIT, every=10)
            _lose(scene, proxy, wish, "an OffsetCommit")


def _lose(scene: Scene, proxy: Proxy, wish: LostKafkaAnswer, what: str) -> None:
    for _ in range(_LOST_MIN):
        before = wish.happened
        with scene.fault(f"the answer to {what} is lost") as fault:
            proxy.weather.wish = wish
            if happens(lambda b=before: wish.happened > b, _LOST_LIMIT_S):
                fault.proof = f"answer {wish.happened} was swallowed"
    proxy.weather.wish = None
    scene.under_load(_SETTLES_S)


def one_copy_in_the_topic(verdict: Mapping[str, Any]) -> str:
    """The broker knows a batch that it has."""
    copies = verdict["copies_again"]["events.raw"]
    return f"{copies} events are in events.raw again" if copies else ""


def _delete_group(scene: Scene, group: str) -> bool:
    return asyncio.run(groups.delete(scene.stack.kafka_bootstrap_servers, group))


ROWS = (
    Row("F20", "broker restarted, back at once and after 12 s",
        restarted(is_killed=False, away_s=(0.0, 12.0)), 10.0, may_restart=("kafka",), faults_min=2),
    Row("F21", "broker killed, back at once and after 10 s",
        restarted(is_killed=True, away_s=(0.0, 10.0)), 12.0,
        may_restart=("kafka",), faults_min=2, is_bounded=True),
    Row("F22", "broker away for 40 s", away(40.0), 15.0, may_restart=("kafka",)),
    Row("F22.start", "stages start while the broker is away", starts_without, 20.0,
        may_restart=("kafka", *STAGES)),
    Row("F23", "broker stands still for 20 s", paused(20.0), 12.0),
    Row("F29", "offsets of the hops deleted", forgets_offsets, 0.0,
        may_restart=("normalize", "decorate"), faults_min=2),
    Row("F31.hop", "hop cut off from the broker", cut_off_hop, 15.0, faults_min=2),
    Row("F31.door", "door cut off from the broker", cut_off_door, 12.0,
        entrance=door_behind_proxy),
    Row("F32", "answers to Produce lost", lost_acks, 5.0, entrance=door_behind_proxy,
        faults_min=_LOST_MIN, rules=(one_copy_in_the_topic,)),
    Row("F33", "answers to OffsetCommit lost", lost_commits, 12.0, is_p0=False,
        faults_min=_LOST_MIN),
)  # fmt: skip
