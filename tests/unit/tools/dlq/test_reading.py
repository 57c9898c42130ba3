"""Which letters are meant, which are the same, and what they have in common."""

from __future__ import annotations

import pytest

from tests.unit.tools.dlq.letters import NULL, REASON, batch, record
from tools.dlq.grouping import as_json, groups, kind
from tools.dlq.letter import of_record
from tools.dlq.reading import Found, Wanted, each_once, latest


@pytest.mark.parametrize(
    ("reason", "is_meant"),
    [
        ("", True),
        ("TOO LARGE", True),
        ("… TB is too large for a number of By", True),
        ("too large…By", True),
        ("By…too large", False),
        ("1e308 TB.", False),
    ],
)
def test_a_part_of_a_reason_will_do_and_a_gap_stands_for_anything(
    reason: str, is_meant: bool
) -> None:
    assert Wanted(reason=reason).has(of_record(record(batch("a")))) is is_meant


def test_letters_are_chosen_by_trace_stage_and_place() -> None:
    letter = of_record(record(batch("a")))

    assert Wanted(trace=letter.trace_ids[0], stage="normalize", place="events.raw-3-17").has(letter)
    assert not Wanted(trace="0" * 32).has(letter)
    assert not Wanted(stage="sink").has(letter)
    assert not Wanted(place="events.raw-3-1").has(letter)


def test_what_was_written_twice_after_a_crash_is_one_letter_and_the_newest() -> None:
    made, other = batch("a", "b"), batch("c")
    copies = [of_record(record(made, appended_us=us)) for us in (3, 9, 6)]
    another = of_record(record(other, appended_us=5))

    assert each_once([*copies, another]) == [another, copies[1]]


def test_of_an_event_that_died_again_only_the_last_letter_is_sent_again() -> None:
    made = batch("a", "b")
    deaths = [of_record(record(made, offset=n, appended_us=n)) for n in (1, 2, 3)]
    other = of_record(record(batch("c"), offset=9, appended_us=1))

    assert latest([*deaths, other]) == [other, deaths[2]]


def test_of_a_record_that_could_not_be_read_again_only_the_last_letter_is_sent_again() -> None:
    first = of_record(record(b"{broken", offset=1))
    alike = of_record(record(b"{broken", offset=2))
    again = of_record(record(b"{broken", ("ttg-replay-of", b"events.raw-3-1"), offset=3))

    assert latest([first, alike, again]) == [alike, again]


@pytest.mark.parametrize("value", [NULL, b"", b"\xff"])
def test_what_a_producer_says_of_replays_takes_no_letter_away(value: bytes) -> None:
    letters = [of_record(record(b"{broken", offset=1))]
    letters.append(of_record(record(b"{broken", ("ttg-replay-of", value), offset=2)))

    assert latest(letters) == letters


def test_a_reason_is_kept_without_what_is_of_one_event() -> None:
    assert kind(REASON) == "… TB is too large for a number of By"
    assert kind("the name '. .' holds only separators") == "the name … holds only separators"
    assert kind("the timestamp 1969-12-31 23:00:00+00:00 lies outside") == (
        "the timestamp … … lies outside"
    )


def test_a_group_counts_letters_events_and_what_is_stored_by_now() -> None:
    letters = [
        of_record(record(batch("a", "b"), offset=n, appended_us=n, reason=f"{n} TB is too large"))
        for n in (1, 2, 3)
    ]
    found = Found(letters, {letters[0].keys[0]: "trace"})

    (group,) = groups(found)

    assert (group.letters, group.events, group.stored) == (3, 2, 1)
    assert (group.oldest_us, group.newest_us) == (1, 3)
    assert group.trace_ids[0] == letters[2].trace_ids[0]
    assert not found.is_stored(letters[0])
    assert as_json(group, is_known=False)["stored"] is None


def test_a_letter_is_stored_when_all_its_events_are() -> None:
    letter = of_record(record(batch("a", "b")))
    unread = of_record(record(b"{broken"))

    found = Found([letter, unread], dict.fromkeys(letter.keys, "trace"))
    assert found.is_stored(letter)
    assert not found.is_stored(unread)
