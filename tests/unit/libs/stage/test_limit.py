"""Where a stage stops instead of burying more."""

from __future__ import annotations

from collections.abc import Iterable

from libs.kafka import Record
from libs.stage.limit import DeadLetterLimit
from libs.stage.settings import DeadLetterSettings


def record(offset: int, partition: int = 0) -> Record:
    return Record("events.raw", partition, offset, 1, 2, 0, None, b"{", [])


def limit(consecutive_max: int = 0, ratio_max: float = 1, window: int = 10) -> DeadLetterLimit:
    return DeadLetterLimit(
        DeadLetterSettings(
            consecutive_max=consecutive_max, ratio_max=ratio_max, window_records=window
        )
    )


def buried(counting: DeadLetterLimit, offsets: Iterable[int], share: float = 1) -> list[int]:
    """Those of the records that may be buried."""
    return [offset for offset in offsets if not counting.refusal(record(offset), share)]


def test_in_a_row_no_more_than_the_limit_are_buried() -> None:
    assert buried(limit(consecutive_max=3), range(5, 20)) == [5, 6, 7]


def test_a_record_that_goes_on_begins_the_row_anew() -> None:
    assert buried(limit(consecutive_max=3), [1, 2, 3, 5, 6, 7, 9]) == [1, 2, 3, 5, 6, 7, 9]


def test_a_record_of_which_a_part_goes_on_begins_the_row_anew() -> None:
    counting = limit(consecutive_max=2)

    assert buried(counting, [1, 2]) == [1, 2]
    assert buried(counting, [3], share=0.9) == [3]
    assert buried(counting, [4, 5, 6]) == [4, 5]


def test_each_partition_has_a_row_of_its_own() -> None:
    counting = limit(consecutive_max=2)
    places = [(offset, partition) for offset in (1, 2, 3) for partition in (0, 1)]

    refused = [place for place in places if counting.refusal(record(*place), 1)]

    assert refused == [(3, 0), (3, 1)]


def test_a_record_that_is_read_again_counts_once() -> None:
    counting = limit(consecutive_max=3)

    for _ in range(5):
        assert buried(counting, [1, 2, 3]) == [1, 2, 3]
    assert buried(counting, [4]) == []


def test_the_share_of_the_dead_in_the_window_is_limited() -> None:
    assert buried(limit(ratio_max=0.5), range(0, 40, 2)) == list(range(0, 40, 2))
    assert buried(limit(ratio_max=0.5), range(10)) == [0, 1, 2, 3, 4]


def test_of_a_record_that_is_dead_in_part_that_part_counts() -> None:
    assert buried(limit(ratio_max=0.5), range(30), share=0.5) == list(range(30))
    assert buried(limit(ratio_max=0.5), range(30), share=0.6) == list(range(8))


def test_what_lies_behind_the_window_is_forgotten() -> None:
    counting = limit(ratio_max=0.2)

    assert buried(counting, [0, 1, 10, 11]) == [0, 1, 10, 11]
    assert buried(counting, [12]) == []


def test_a_limit_may_be_longer_than_the_window() -> None:
    assert buried(limit(consecutive_max=25, window=10), range(40)) == list(range(25))


def test_without_a_limit_everything_is_buried() -> None:
    assert buried(limit(), range(100)) == list(range(100))
