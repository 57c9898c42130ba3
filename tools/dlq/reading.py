"""Every dead letter that there is, from the topics and from the table, each once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from libs.errors import Rejected, Unavailable
from libs.kafka import tail
from services.topology import DEAD_LETTER_TOPICS
from tools.dlq import store
from tools.dlq.letter import Key, Letter, of_record
from tools.env import StackEnv

# Where a reason that is printed for many leaves out what differs.
GAP = "…"


@dataclass(frozen=True, slots=True)
class Found:
    """The letters, oldest first, and which of their events are stored, by which trace.

    `is_cut` says that there are more than were asked for. Where the database did not answer,
    `unknown` says so; then the letters of the sink are missing, and nothing counts as stored.
    """

    letters: list[Letter]
    stored: dict[Key, str] = field(default_factory=dict[Key, str])
    is_cut: bool = False
    unknown: str = ""

    def is_stored(self, letter: Letter) -> bool:
        """Whether all of a letter's events are, so that nothing of it is missing any more."""
        return bool(letter.keys) and all(key in self.stored for key in letter.keys)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which letters an operator means; an empty text means all."""

    trace: str = ""
    reason: str = ""
    stage: str = ""
    place: str = ""

    def has(self, letter: Letter) -> bool:
        """Say whether a letter is meant; of a reason any part will do, in any case."""
        parts = map(re.escape, self.reason.split(GAP))
        return (
            (not self.trace or self.trace in letter.trace_ids)
            and (not self.stage or self.stage == letter.stage)
            and (not self.place or self.place == letter.place)
            and re.search(".*".join(parts), letter.reason, re.IGNORECASE | re.DOTALL) is not None
        )


async def read(env: StackEnv, wanted: Wanted, among: int, show: Callable[[str], None]) -> Found:
    """Read the newest `among` letters of each topic and of the table, and keep those meant.

    Raises `Unavailable` if Kafka does not answer.
    """
    kept: list[Letter] = []
    is_cut = False
    for topic in DEAD_LETTER_TOPICS:
        show(topic)
        records = await _newest(env, topic, among)
        is_cut |= len(records) == among
        kept += filter(wanted.has, map(of_record, records))
    show("the store")
    try:
        async with store.opened(env.database_url) as database:
            rows = await database.letters(among)
            letters = each_once([*kept, *filter(wanted.has, rows)])
            stored = await database.stored([key for letter in letters for key in letter.keys])
    except Unavailable as error:
        return Found(each_once(kept), is_cut=is_cut, unknown=str(error))
    return Found(letters, stored, is_cut or len(rows) == among)


async def _newest(env: StackEnv, topic: str, count: int) -> list[tail.Record]:
    try:
        return await tail.newest(env.kafka_bootstrap_servers, topic, count)
    except Rejected:
        # A topic that is not there holds no letters.
        return []


def latest(letters: Iterable[Letter]) -> list[Letter]:
    """Leave out what died again since, after a replay: of its letters only the last counts.

    Else each replay of what still cannot be worked on would send twice as much as the one before.
    """
    ordered = list(letters)
    again = {letter.replay_of for letter in ordered}
    by_event = {
        (letter.topic, *(letter.keys or [letter.place])): letter
        for letter in ordered
        if letter.place not in again
    }
    return sorted(by_event.values(), key=lambda letter: letter.dead_us)


def each_once(letters: Iterable[Letter]) -> list[Letter]:
    """Leave out what a stage wrote again after a crash; the newest copy stays."""
    ordered = sorted(letters, key=lambda letter: letter.dead_us)
    by_death = {(letter.place, *letter.keys): letter for letter in ordered}
    return sorted(by_death.values(), key=lambda letter: letter.dead_us)
