"""Dead letters by what they have in common: the stage, the topic, and the kind of reason."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from libs import timestamps
from tools.dlq.letter import Letter
from tools.dlq.reading import GAP, Found

EXAMPLES_MAX = 3
# What differs from event to event: quoted text, numbers, and times.
_VARIES = re.compile(r"'[^']*'|\"[^\"]*\"|\d[\w.:+-]*")


@dataclass(frozen=True, slots=True)
class Group:
    """Letters of one kind; times in µs, and the traces of the newest as examples."""

    stage: str
    topic: str
    reason: str
    letters: int
    events: int
    stored: int
    oldest_us: int
    newest_us: int
    trace_ids: list[str]


def kind(reason: str) -> str:
    """Leave out of a reason what is of one event alone."""
    return _VARIES.sub(GAP, reason)


def groups(found: Found) -> list[Group]:
    """Group the letters, the largest group first."""
    by_kind: dict[tuple[str, str, str], list[Letter]] = defaultdict(list)
    for letter in found.letters:
        by_kind[letter.stage, letter.topic, kind(letter.reason)].append(letter)
    made = [_group(letters, found) for letters in by_kind.values()]
    return sorted(made, key=lambda group: -group.letters)


def as_json(group: Group, *, is_known: bool) -> dict[str, Any]:
    """Give a group as `ttg dlq ls --json` prints it."""
    return {
        "stage": group.stage,
        "topic": group.topic,
        "reason": group.reason,
        "letters": group.letters,
        "events": group.events,
        "stored": group.stored if is_known else None,
        "oldest": timestamps.from_us(group.oldest_us),
        "newest": timestamps.from_us(group.newest_us),
        "trace_ids": group.trace_ids,
    }


def _group(letters: list[Letter], found: Found) -> Group:
    """Sum up letters of one kind, the oldest first; never none."""
    oldest, newest = letters[0], letters[-1]
    events = {event for letter in letters for event in letter.keys}
    return Group(
        stage=oldest.stage,
        topic=oldest.topic,
        reason=kind(oldest.reason),
        letters=len(letters),
        events=len(events),
        stored=len(events & found.stored.keys()),
        oldest_us=oldest.dead_us,
        newest_us=newest.dead_us,
        trace_ids=_examples(letters),
    )


def _examples(letters: list[Letter]) -> list[str]:
    ids = (trace_id for letter in reversed(letters) for trace_id in letter.trace_ids)
    return list(dict.fromkeys(ids))[:EXAMPLES_MAX]
