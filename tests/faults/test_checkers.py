"""The checkers against runs that were made up: whole ones, and ones with a fault planted (C11)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from tests.faults import expected, ledger as ledgers
from tests.faults.ledger import Entry, Ledger
from tests.faults.observed import TOPICS, Copy, Dead, Observed, Row
from tests.faults.record import Fault, Limits, Record, Sample
from tests.faults.verdict import judge

RUN = "01890000-0000-7000-8000-000000000000"
EVENTS = 240
KEYS = 3
START_US = 1_800_000_000_000_000
STEP_US = 50_000
TOOK_US = 20_000
FAULT = Fault(what="kill -9", at_us=START_US, cleared_us=START_US, proof="pid 1 is gone")
LIMITS = Limits(recovery_s=5.0, acked_min=EVENTS)


def event_id(number: int) -> str:
    return f"01890000-0000-7000-8000-{number:012x}"


def entry(number: int) -> Entry:
    sent = {
        "event_id": event_id(number),
        "name": "checkout.latency",
        "value": 120.0 + number,
        "unit": "ms",
        "attributes": {"entity": "cart", "run": RUN},
    }
    due_us = START_US + number * STEP_US
    return Entry(
        tenant="default",
        event_id=event_id(number),
        sha256=hashlib.sha256(msgspec.json.encode(sent, order="sorted")).hexdigest(),
        key=f"key-{number % KEYS}",
        sequence=number // KEYS,
        due_us=due_us,
        sent_us=due_us,
        answered_us=due_us + TOOK_US,
        outcome="acked",
        trace_id="",
        is_sampled=False,
        sent=sent,
    )


def row(number: int) -> Row:
    due_us = START_US + number * STEP_US
    return Row(
        tenant="default",
        event_id=event_id(number),
        name="checkout.latency",
        value=(120.0 + number) / 1_000,
        unit="s",
        attributes={"entity": "cart", "run": RUN},
        owner="amelia",
        team="payments",
        region="eu-central",
        trace_id="",
        timestamp_us=due_us + 1_000,
        received_us=due_us + 1_000,
        stored_us=due_us + TOOK_US,
    )


def copy(number: int, partition: int | None = None, offset: int | None = None) -> Copy:
    at = number % KEYS if partition is None else partition
    place = number // KEYS if offset is None else offset
    return Copy(at, place, 0, "default", event_id(number), entry(number).sha256)


class Run:
    """A whole run, for a test to spoil."""

    def __init__(self) -> None:
        entries = {event_id(n): entry(n) for n in range(EVENTS)}
        self.ledger = Ledger(RUN, "default", START_US, is_whole=True, entries=entries)
        self.observed = Observed(
            rows=[row(n) for n in range(EVENTS)],
            copies={topic: [copy(n) for n in range(EVENTS)] for topic in TOPICS},
        )
        self.record = Record(LIMITS, faults=[FAULT])

    def found(self) -> dict[str, list[str]]:
        verdict = judge(self.ledger, self.observed, self.record)
        assert (verdict.verdict == "red") == bool(verdict.findings)
        return {finding.checker.split()[0]: finding.examples for finding in verdict.findings}

    def reword(self, number: int, **fields: object) -> None:
        old = self.ledger.entries[event_id(number)]
        self.ledger.entries[event_id(number)] = msgspec.structs.replace(old, **fields)


def test_a_whole_run_is_green() -> None:
    run = Run()

    verdict = judge(run.ledger, run.observed, run.record)
    assert (verdict.verdict, verdict.findings, verdict.invalid) == ("green", [], [])
    assert (verdict.acked, verdict.stored, verdict.faults) == (EVENTS, EVENTS, 1)


def lose(run: Run) -> None:
    del run.observed.rows[7]


def double(run: Run) -> None:
    run.observed.rows.append(row(7))


def swap_order(run: Run) -> None:
    run.observed.copies[TOPICS[1]][7:11:3] = [copy(7, offset=3), copy(10, offset=2)]


def swap_content(run: Run) -> None:
    one, other = run.observed.rows[7:9]
    one.value, other.value = other.value, one.value


def bring_in_a_stranger(run: Run) -> None:
    run.observed.rows.append(replace(row(7), event_id=event_id(EVENTS)))


def store_what_was_refused(run: Run) -> None:
    run.reword(7, outcome="rejected")


def give_to_another_tenant(run: Run) -> None:
    run.observed.rows[7].tenant = "somebody"


def bury_and_store(run: Run) -> None:
    run.observed.dead_rows.append(Dead("default", event_id(7), "dead_letter"))


def poison(run: Run) -> Copy:
    """Make event 7 one that cannot be stored; gives its copy as it came through the door."""
    sent = {**entry(7).sent, "unit": "PiB", "value": 1e300}
    sha256 = hashlib.sha256(msgspec.json.encode(sent, order="sorted")).hexdigest()
    run.reword(7, sent=sent, sha256=sha256)
    raw = run.observed.copies[TOPICS[0]]
    raw[7] = raw[7]._replace(sha256=sha256)
    del run.observed.rows[7]
    assert not expected.can_be_stored(sent)
    return raw[7]


def bury_twice(run: Run) -> None:
    poison(run)
    run.observed.dead_rows += [Dead("default", event_id(7), "dead_letter")] * 2


def change_on_the_way(run: Run) -> None:
    copies = run.observed.copies[TOPICS[0]]
    copies[7] = copies[7]._replace(sha256="0" * 64)


def spread_a_key(run: Run) -> None:
    run.observed.copies[TOPICS[2]][7] = copy(7, partition=5)


def leave_something_waiting(run: Run) -> None:
    run.observed.unrest.append("sink is at 3 of 4")


def be_slow(run: Run) -> None:
    for slow in run.observed.rows[:200]:
        slow.stored_us += 2_000_000


def grow(run: Run) -> None:
    sample = Sample(at_us=0, process="sink-0", pid=1, rss_bytes=1 << 30, files=9)
    run.record.samples.append(sample)


def restart_a_bystander(run: Run) -> None:
    run.record.complaints.append("ingest-0 was restarted")


@pytest.mark.parametrize(
    ("plant", "checkers"),
    [
        (lose, {"C1"}),
        (double, {"C2"}),
        (bury_and_store, {"C2", "C4"}),
        (bury_twice, {"C2"}),
        (bring_in_a_stranger, {"C3"}),
        (store_what_was_refused, {"C3"}),
        (give_to_another_tenant, {"C3"}),
        (swap_content, {"C4"}),
        (change_on_the_way, {"C4"}),
        (swap_order, {"C5"}),
        (spread_a_key, {"C5"}),
        (leave_something_waiting, {"C6"}),
        (be_slow, {"C8"}),
        (grow, {"C9"}),
        (restart_a_bystander, {"conduct"}),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_what_is_planted_is_found(plant: Callable[[Run], None], checkers: set[str]) -> None:
    run = Run()
    plant(run)

    assert run.found().keys() == checkers


def test_a_lost_event_is_looked_for_along_the_way() -> None:
    run = Run()
    lose(run)
    run.observed.copies[TOPICS[2]] = [c for c in run.observed.copies[TOPICS[2]] if c != copy(7)]

    assert run.found()["C1"] == [
        f"{event_id(7)} is last in events.normalized 1:2: lost at decorate"
    ]


def stored_late(run: Run, since_us: int, late_us: int) -> None:
    for one in run.observed.rows:
        if one.stored_us >= since_us:
            one.stored_us += late_us


@pytest.mark.parametrize("is_cleared_after_the_load", [False, True])
def test_a_recovery_that_the_load_did_not_see_is_as_long_as_it_was(
    is_cleared_after_the_load: bool,
) -> None:
    run = Run()
    at_us = START_US + (EVENTS - 20) * STEP_US
    ended_us = START_US + EVENTS * STEP_US
    cleared_us = ended_us + 1_000_000 if is_cleared_after_the_load else at_us
    run.record.faults = [msgspec.structs.replace(FAULT, at_us=at_us, cleared_us=cleared_us)]

    stored_late(run, at_us, 3_000_000)
    assert run.found() == {}
    stored_late(run, at_us, 5_000_000)
    assert run.found().keys() == {"C8"}


def test_without_a_fault_that_is_judged_there_is_no_recovery() -> None:
    run = Run()
    run.record.faults = [msgspec.structs.replace(FAULT, is_followed=True)]

    assert judge(run.ledger, run.observed, run.record).recovery_s is None


def test_of_faults_too_close_for_a_recovery_the_last_is_judged() -> None:
    run = Run()
    be_slow(run)
    at_us = START_US + 9_000_000
    last = msgspec.structs.replace(FAULT, at_us=at_us, cleared_us=at_us)
    first = msgspec.structs.replace(FAULT, is_followed=True)

    run.record.faults = [FAULT, last]
    assert run.found().keys() == {"C8"}
    run.record.faults = [first, last]
    assert run.found() == {}


def test_an_event_in_no_topic_was_lost_at_the_door() -> None:
    run = Run()
    lose(run)
    for topic in TOPICS:
        run.observed.copies[topic] = [c for c in run.observed.copies[topic] if c != copy(7)]

    assert run.found()["C1"] == [f"{event_id(7)} is in no topic: lost at ingest"]


def test_an_unknown_event_may_be_there_or_not() -> None:
    run = Run()
    run.reword(7, outcome="unknown")
    run.reword(8, outcome="unknown")
    run.record.limits = msgspec.structs.replace(LIMITS, acked_min=EVENTS - 2)
    lose(run)

    assert run.found() == {}


def test_a_copy_that_comes_again_is_no_disorder() -> None:
    run = Run()
    run.observed.copies[TOPICS[1]] += [copy(n, offset=EVENTS + n) for n in range(30)]

    verdict = judge(run.ledger, run.observed, run.record)
    assert verdict.verdict == "green"
    assert verdict.copies_again[TOPICS[1]] == 30


def test_a_dead_letter_with_a_reason_is_as_good_as_a_row() -> None:
    run = Run()
    run.observed.copies["events.raw.dlq"] = [poison(run)]

    assert run.found() == {}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (Record(LIMITS), "0 faults are proven, 1 are needed"),
        (Record(LIMITS, [msgspec.structs.replace(FAULT, proof="")]), "kill -9 has no proof"),
        (Record(Limits(), [FAULT]), "240 events were acked, 10,000 are needed"),
    ],
)
def test_a_run_without_a_fault_or_a_load_proves_nothing(record: Record, reason: str) -> None:
    run = Run()

    verdict = judge(run.ledger, run.observed, record)
    assert verdict.verdict == "invalid"
    assert reason in verdict.invalid


def test_a_ledger_that_was_cut_off_proves_nothing() -> None:
    run = Run()
    run.ledger.is_whole = False

    assert judge(run.ledger, run.observed, run.record).verdict == "invalid"


def written(path: Path, entries: list[Entry], end: bytes) -> Path:
    head = {"run_id": RUN, "tenant": "default", "started_us": START_US}
    lines = [msgspec.json.encode(line) for line in (head, *entries)]
    path.write_bytes(b"\n".join([*lines, end]))
    return path


@pytest.mark.parametrize(
    ("end", "is_whole"),
    [
        (b'{"ended_us":1,"events":2}', True),
        (b'{"ended_us":1,"events":3}', False),
        (b'{"tenant":"defau', False),
        (b"", False),
    ],
)
def test_a_ledger_is_whole_if_it_has_its_end(tmp_path: Path, end: bytes, *, is_whole: bool) -> None:
    ledger = ledgers.read(written(tmp_path / "ledger", [entry(0), entry(1)], end))

    assert ledger.is_whole == is_whole
    assert list(ledger.entries) == [event_id(0), event_id(1)]
