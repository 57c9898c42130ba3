from __future__ import annotations

from datetime import UTC, datetime, tzinfo

import pytest
from hypothesis import given, settings, strategies as st

from libs import timestamps


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000Z"),
        ("2026-01-02t03:04:05z", "2026-01-02T03:04:05.000000Z"),
        ("2026-01-02 03:04:05.5Z", "2026-01-02T03:04:05.500000Z"),
        ("2026-01-02T03:04:05.123456Z", "2026-01-02T03:04:05.123456Z"),
        ("2026-01-02T03:04:05.1234567Z", "2026-01-02T03:04:05.123457Z"),
        ("2026-01-02T03:04:05+05:30", "2026-01-01T21:34:05.000000Z"),
        ("2026-01-02T03:04:05-00:00", "2026-01-02T03:04:05.000000Z"),
        (0, "1970-01-01T00:00:00.000000Z"),
        (1767323045, "2026-01-02T03:04:05.000000Z"),
        (1767323045.000001, "2026-01-02T03:04:05.000001Z"),
    ],
)
def test_a_time_is_kept_in_utc_with_six_decimals(sent: str | float, kept: str) -> None:
    assert timestamps.written(timestamps.parse(sent)) == kept


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "yesterday",
        "2026-01-02",
        "2026-01-02T03:04:05",
        "2026-02-30T00:00:00Z",
        "2026-01-02T24:00:00Z",
        "2026-06-30T23:59:60Z",
        "1969-12-31T23:59:59Z",
        "2100-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "1767323045",
        -1,
        4_102_444_800,
        1_767_323_045_000,
        float("inf"),
        float("nan"),
        10**400,
        True,
        None,
        [],
    ],
)
def test_what_is_no_time_within_bounds_is_refused(sent: object) -> None:
    with pytest.raises(ValueError, match="must"):
        timestamps.parse(sent)


# Two days short of both ends, so that no zone leads over them.
@given(st.integers(172_800, 4_102_272_000), st.integers(0, 999_999), st.timezones())
@settings(deadline=None)
def test_a_kept_time_is_the_same_moment_and_stays_as_it_is(
    second: int, microsecond: int, zone: tzinfo
) -> None:
    time = datetime.fromtimestamp(second, zone).replace(microsecond=microsecond)
    kept = timestamps.written(time)

    assert datetime.fromisoformat(kept) == time.astimezone(UTC)
    assert timestamps.written(timestamps.parse(kept)) == kept


def test_microseconds_are_kept_exactly() -> None:
    assert timestamps.from_us(4_102_444_799_999_999) == "2099-12-31T23:59:59.999999Z"
