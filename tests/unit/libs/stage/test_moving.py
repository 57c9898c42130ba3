"""When a reader stands still, and when something explains it."""

from __future__ import annotations

from libs.kafka import Partition, Progress, Reading
from libs.stage import HealthSettings
from libs.stage.moving import Moving

LIMITS = HealthSettings(fetch_limit_s=10, progress_limit_s=60)
NEVER = float("-inf")


def progress(
    fetched_ms: int = 0, position: int = 0, end: int = 0, *, away_s: float = 0.0
) -> Progress:
    readings = {Partition("t", 0): Reading(fetched_ms, position, end)}
    return Progress(has_joined=True, away_s=away_s, readings=readings)


def stand_still(for_s: int, at_each_look: Progress, excused_s: float = NEVER) -> str:
    """Look once a second; time begins at 0."""
    moving = Moving(LIMITS, 0.0)
    for second in range(for_s + 1):
        moving.look(at_each_look, min(excused_s, second), second)
    return moving.standstill()


def test_fetches_that_are_not_answered_any_more_are_a_dead_reader() -> None:
    assert not stand_still(10, progress(fetched_ms=1))
    assert "no fetch" in stand_still(11, progress(fetched_ms=1))


def test_fetches_that_are_answered_with_nothing_are_no_standstill() -> None:
    moving = Moving(LIMITS, 0.0)
    for second in range(200):
        moving.look(progress(fetched_ms=second, position=7, end=7), NEVER, second)
        assert not moving.standstill()


def test_what_is_handed_out_of_memory_needs_no_fetch() -> None:
    moving = Moving(LIMITS, 0.0)
    for second in range(200):
        moving.look(progress(fetched_ms=1, position=second, end=1_000), NEVER, second)
        assert not moving.standstill()


def test_while_kafka_is_away_no_fetch_has_to_be_answered() -> None:
    assert not stand_still(300, progress(fetched_ms=1), excused_s=300)
    assert not stand_still(310, progress(fetched_ms=1), excused_s=300)
    assert "no fetch" in stand_still(311, progress(fetched_ms=1), excused_s=300)


def test_during_work_no_fetch_has_to_be_answered() -> None:
    assert not stand_still(50, progress(fetched_ms=1, away_s=2.0))


def test_work_without_end_is_a_standstill_also_if_there_is_no_more_to_read() -> None:
    at_the_end = progress(position=5, end=5, away_s=2.0)

    assert not stand_still(59, at_the_end)
    assert "though there is work" in stand_still(62, at_the_end)


def test_work_without_end_that_gets_something_done_is_no_standstill() -> None:
    moving = Moving(LIMITS, 0.0)
    for second in range(200):
        moving.look(progress(position=5, end=9, away_s=2.0 + second), NEVER, second, second // 50)
        assert not moving.standstill()

    for second in range(200, 262):
        moving.look(progress(position=5, end=9, away_s=2.0 + second), NEVER, second, 3)
    assert "though there is work" in moving.standstill()


def test_records_that_are_not_handed_out_are_a_standstill() -> None:
    moving = Moving(LIMITS, 0.0)
    for second in range(62):
        moving.look(progress(fetched_ms=second, position=5, end=6), NEVER, second)

    assert "though there is work" in moving.standstill()


def test_a_standstill_ends_with_the_outage_that_explains_it() -> None:
    assert not stand_still(300, progress(position=5, end=6, away_s=2.0), excused_s=290)
    assert stand_still(400, progress(position=5, end=6, away_s=2.0), excused_s=290)


def test_a_standby_has_nothing_to_fetch() -> None:
    assert not stand_still(300, Progress(has_joined=True, away_s=0.0, readings={}))


def test_one_that_no_group_takes_in_is_dead() -> None:
    outside = Progress(has_joined=False, away_s=0.0, readings={})

    assert not stand_still(60, outside)
    assert "in no group" in stand_still(61, outside)
    assert not stand_still(300, outside, excused_s=300)


def test_a_process_that_was_stopped_is_not_blamed_when_it_goes_on() -> None:
    moving = Moving(LIMITS, 0.0)
    moving.look(progress(fetched_ms=1, position=1, end=9, away_s=1.0), NEVER, 1.0)
    moving.look(progress(fetched_ms=1, position=1, end=9), NEVER, 1_000.0)
    assert not moving.standstill()

    for second in range(1_001, 1_012):
        moving.look(progress(fetched_ms=1, position=1, end=9), NEVER, second)
    assert "no fetch" in moving.standstill()
