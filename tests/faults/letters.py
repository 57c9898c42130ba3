"""Rows of dead letters: too many of them, and none that can be written; F58 and F59."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from libs.errors import Rejected
from libs.kafka import Partition, tail
from services.topology import NORMALIZE
from tests.faults import groups, logs, topics
from tests.faults.load import Offer
from tests.faults.pressure import nothing, poison_is_buried
from tests.faults.processes import Processes, happens
from tests.faults.scene import NO_ENTRANCE, Entrance, Row, Scene
from tests.faults.sick import sick

_HOLDS_LIMIT_S = 60.0
_STAYS_S = 6.0
_SETTLES_S = 5.0
_BURIED_LIMIT_S = 90.0
_ACKED_MIN = 10_500
_LETTERS_READ_MAX = 100_000
# Less than any batch of records has before its first one.
_NO_LETTER_BYTES = "32"
_LETTER = "dead letter"
_LIMIT_REACHED = "dead-letter limit reached"
_DEAD = f"{NORMALIZE.reads}.dlq"
_LIFTED = {"DEAD_LETTERS_CONSECUTIVE_MAX": "0", "DEAD_LETTERS_RATIO_MAX": "1"}


def all_poison(scene: Scene) -> None:
    """Send nothing but poison: the stage stops at its limit, until its operator lifts that."""
    mark = logs.Mark(logs.of(scene.stack, NORMALIZE.stage))
    with scene.fault("all is poison") as fault:
        if happens(lambda: bool(mark.said(_LIMIT_REACHED)), _HOLDS_LIMIT_S):
            (held, *_) = map(_place, mark.said(_LIMIT_REACHED))
            fault.proof = f"{NORMALIZE.stage} holds at {held}"
            scene.under_load(_STAYS_S)
            _nothing_passes(scene, *held)
        scene.load.end(_ACKED_MIN, _HOLDS_LIMIT_S)
    with (
        scene.processes.away(NORMALIZE.stage),
        sick(scene.stack, NORMALIZE.stage, **_LIFTED) as lifted,
    ):
        lifted.works()
        servers = scene.stack.kafka_bootstrap_servers
        happens(lambda: not asyncio.run(topics.lags(servers)), _BURIED_LIMIT_S)


def unwritable(scene: Scene) -> None:
    """Let the topic of the dead letters take none: each is too large. The stage ends each time."""
    mark = logs.Mark(logs.of(scene.stack, NORMALIZE.stage))
    servers = scene.stack.kafka_bootstrap_servers
    with scene.fault("the topic of the dead letters refuses all") as fault:
        asyncio.run(groups.configure(servers, _DEAD, {"max.message.bytes": _NO_LETTER_BYTES}))
        fault.proof = _held(scene, mark)
        asyncio.run(groups.configure(servers, _DEAD, {}))
    scene.under_load(_SETTLES_S)


def missing(scene: Scene) -> None:
    """The topic of the dead letters is gone since before the load, and is made again."""
    with scene.fault("the topic of the dead letters is missing") as fault:
        fault.proof = _held(scene, scene.processes.guests["mark"])
        asyncio.run(groups.make(scene.stack.kafka_bootstrap_servers, _DEAD))
    scene.under_load(_SETTLES_S)


@contextmanager
def no_topic(processes: Processes) -> Iterator[Entrance]:
    """Delete the topic of the dead letters; none of this run may be in it."""
    servers = processes.stack.kafka_bootstrap_servers
    asyncio.run(groups.remove(servers, _DEAD))
    # The stage may stand still before the load is said to flow.
    processes.guests["mark"] = logs.Mark(logs.of(processes.stack, NORMALIZE.stage))
    try:
        yield NO_ENTRANCE
    finally:
        asyncio.run(groups.make(servers, _DEAD))


def all_are_buried(verdict: Mapping[str, Any]) -> str:
    """Each event is a dead letter, and none is stored."""
    acked, dead, stored = (verdict[key] for key in ("acked", "dead_lettered", "stored"))
    return "" if dead >= acked and not stored else f"{dead} of {acked} are dead letters"


def _held(scene: Scene, mark: logs.Mark) -> str:
    """Wait until the stage stands still at a letter, and see that nothing passes; the proof."""
    if not happens(lambda: bool(mark.said(_LETTER)) and _stands_still(scene), _HOLDS_LIMIT_S):
        return ""
    held = _place(mark.said(_LETTER)[-1])
    scene.under_load(_STAYS_S)
    _nothing_passes(scene, *held)
    return f"{NORMALIZE.stage} holds at {held}"


def _stands_still(scene: Scene) -> bool:
    """Whether the group commits nothing for a while, though there is a load."""
    before = _committed(scene)
    scene.under_load(2.0)
    return _committed(scene) == before


def _nothing_passes(scene: Scene, partition: Partition, offset: int) -> None:
    """Complain if the group has committed past a record whose letter is not written."""
    committed = _committed(scene).get(partition, 0)
    if committed > offset:
        scene.record.complaints.append(f"{partition} is committed to {committed}, past {offset}")
    for number, at in _letters(scene):
        if number == partition.number and at >= offset:
            scene.record.complaints.append(f"the letter of {number}-{at} is there, past {offset}")
            break


def _letters(scene: Scene) -> list[tuple[int, int]]:
    """Of which records, by partition and offset, there are letters; none without a topic."""
    servers = scene.stack.kafka_bootstrap_servers
    with suppress(Rejected):
        found = asyncio.run(tail.newest(servers, _DEAD, _LETTERS_READ_MAX))
        said = [dict(letter.headers) for letter in found]
        return [(int(one["dlq.orig.partition"]), int(one["dlq.orig.offset"])) for one in said]
    return []


def _committed(scene: Scene) -> dict[Partition, int]:
    return asyncio.run(groups.committed(scene.stack.kafka_bootstrap_servers, NORMALIZE.stage))


def _place(line: Mapping[str, Any]) -> tuple[Partition, int]:
    return Partition(line["topic"], line["partition"]), line["offset"]


_POISONED = Offer(poison=0.01)
ROWS = (
    Row("F58", "one event in a hundred is poison", nothing, 0.0, offer=_POISONED,
        rules=(poison_is_buried,)),
    Row("F58.each", "one event in ten, so nearly each batch has poison", nothing, 0.0,
        offer=Offer(poison=0.1), rules=(poison_is_buried,)),
    # Of one key, so that one partition has more records in a row than the limit.
    Row("F58.all", "all is poison: stops at its limit", all_poison, 0.0,
        offer=Offer(poison=1.0, keys=1), may_restart=("normalize",), after_s=0.0,
        rules=(all_are_buried,)),
    Row("F59.missing", "topic of the dead letters missing", missing, 12.0, offer=_POISONED,
        entrance=no_topic, rules=(poison_is_buried,)),
    Row("F59.refused", "topic of the dead letters refuses writes", unwritable, 15.0,
        offer=_POISONED, may_restart=("normalize",), rules=(poison_is_buried,)),
)  # fmt: skip
