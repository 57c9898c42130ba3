"""The checkers: what was found of a run, held against its ledger. Pure, so they can be tested."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from tests.faults import expected
from tests.faults.ledger import Entry, Ledger
from tests.faults.observed import GROUPS, TOPICS, Copy, Observed, Row

_LISTED_MAX = 5
# A row carries the clock of the door, the ledger that of its sender: one machine, two processes.
_SKEW_US = 5_000

_canonical = msgspec.json.Encoder(order="sorted")


@dataclass(slots=True)
class Finding:
    """What one checker found: how often, and some of it in sentences."""

    checker: str
    count: int = 0
    examples: list[str] = field(default_factory=list[str])

    def add(self, sentence: str) -> None:
        """Count one, and keep its sentence if it is among the first."""
        self.count += 1
        if len(self.examples) < _LISTED_MAX:
            self.examples.append(sentence)


def all_findings(ledger: Ledger, observed: Observed) -> list[Finding]:
    """Run every checker that needs no more than the two."""
    return [
        loss(ledger, observed),
        duplicates(observed),
        inventions(ledger, observed),
        content(ledger, observed),
        order(ledger, observed),
        _finding("C6 positions", observed.unrest),
    ]


def loss(ledger: Ledger, observed: Observed) -> Finding:
    """C1: an event that was accepted is neither stored nor a dead letter; says where it ends."""
    finding = Finding("C1 no loss")
    there = {row.event_id for row in observed.rows}
    there |= {dead.event_id for dead in observed.dead_letters()}
    lost = {entry.event_id for entry in ledger.of("acked")} - there
    if lost:
        last = _last_seen(observed, lost)
        for event_id in sorted(lost):
            finding.add(f"{event_id} {last.get(event_id, 'is in no topic: lost at ingest')}")
    return finding


def duplicates(observed: Observed) -> Finding:
    """C2: an event is stored twice, is twice a dead letter, or both."""
    finding = Finding("C2 no duplicate")
    stored = Counter(row.event_id for row in observed.rows)
    for event_id, times in stored.items():
        if times > 1:
            finding.add(f"{event_id} is stored {times} times")
    # A hop that is killed writes the same letter again; its topic is at least once, as all are.
    for event_id, times in Counter(dead.event_id for dead in observed.dead_rows).items():
        if times > 1:
            finding.add(f"{event_id} is {times} times a dead letter of the store")
    for event_id in {dead.event_id for dead in observed.dead_letters()} & stored.keys():
        finding.add(f"{event_id} is stored and a dead letter")
    return finding


def inventions(ledger: Ledger, observed: Observed) -> Finding:
    """C3: something is stored that was never sent, was refused, or belongs to somebody else."""
    finding = Finding("C3 nothing invented")
    kept = [(row.tenant, row.event_id, "the store") for row in observed.rows]
    kept += observed.dead_letters()
    for tenant, event_id, place in kept:
        entry = ledger.entries.get(event_id)
        if entry is None:
            finding.add(f"{event_id} in {place} was never sent")
        elif entry.outcome == "rejected":
            finding.add(f"{event_id} in {place} was refused at the door")
        elif tenant != entry.tenant:
            finding.add(f"{event_id} in {place} is of {tenant!r}, not of {entry.tenant!r}")
    return finding


def content(ledger: Ledger, observed: Observed) -> Finding:
    """C4: what is stored, or came through the door, is not what was sent."""
    finding = Finding("C4 content")
    known = expected.entities()
    for entry in ledger.entries.values():
        if hashlib.sha256(_canonical.encode(entry.sent)).hexdigest() != entry.sha256:
            finding.add(f"{entry.event_id}: the ledger itself is damaged")
    for copy in observed.copies.get(TOPICS[0], []):
        entry = ledger.entries.get(copy.event_id)
        if entry is not None and entry.sha256 != copy.sha256:
            finding.add(f"{copy.event_id} in {TOPICS[0]} is not what was sent")
    for row in observed.rows:
        entry = ledger.entries.get(row.event_id)
        for difference in _differences(entry, row, known) if entry else ():
            finding.add(f"{row.event_id}: {difference}")
    for dead in observed.dead_letters():
        entry = ledger.entries.get(dead.event_id)
        if entry is not None and expected.can_be_stored(entry.sent):
            finding.add(f"{dead.event_id} is a dead letter of {dead.place} for no reason")
    return finding


def order(ledger: Ledger, observed: Observed) -> Finding:
    """C5: the sequence of a key falls in some topic, or the key is in two partitions of it.

    Only the first copy of an event counts: those that follow are of a hop that did its work again.
    """
    finding = Finding("C5 order")
    for topic in TOPICS:
        highest: dict[str, tuple[int, int]] = {}
        for copy in _first_copies(observed.copies.get(topic, [])):
            entry = ledger.entries.get(copy.event_id)
            if entry is None or not entry.key:
                continue
            partition, sequence = highest.get(entry.key, (copy.partition, -1))
            if copy.partition != partition:
                finding.add(
                    f"{entry.key} is in partitions {partition}, {copy.partition} of {topic}"
                )
            if entry.sequence <= sequence:
                finding.add(
                    f"{entry.key} of {topic}: {entry.sequence} comes after {sequence} "
                    f"at {copy.partition}:{copy.offset}"
                )
            highest[entry.key] = copy.partition, max(entry.sequence, sequence)
    return finding


def copies_again(observed: Observed) -> dict[str, int]:
    """Count by topic the copies that are not the first of their event."""
    return {
        topic: len(copies) - len({copy.event_id for copy in copies})
        for topic, copies in observed.copies.items()
    }


def _differences(entry: Entry, row: Row, known: expected.Entities) -> Iterator[str]:
    yield from expected.differences(entry.sent, row, known)
    if not entry.sent_us - _SKEW_US <= row.received_us <= entry.answered_us + _SKEW_US:
        yield "received_at is not between its sending and its answer"


def _first_copies(copies: Iterable[Copy]) -> Iterator[Copy]:
    seen: set[str] = set()
    for copy in sorted(copies):
        if copy.event_id not in seen:
            seen.add(copy.event_id)
            yield copy


def _last_seen(observed: Observed, lost: set[str]) -> dict[str, str]:
    reader = {topic: stage for stage, topic in GROUPS.items()}
    found: dict[str, str] = {}
    for topic in TOPICS:
        for copy in observed.copies.get(topic, []):
            if copy.event_id in lost:
                place = f"{topic} {copy.partition}:{copy.offset}"
                found[copy.event_id] = f"is last in {place}: lost at {reader[topic]}"
    return found


def _finding(checker: str, sentences: Iterable[str]) -> Finding:
    finding = Finding(checker)
    for sentence in sentences:
        finding.add(sentence)
    return finding
