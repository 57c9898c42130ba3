from __future__ import annotations

import time

from libs.clock import now_us


def test_it_is_the_time_of_day_in_microseconds() -> None:
    before_ns = time.time_ns()
    now_ns = now_us() * 1_000

    # Cut off, never rounded up.
    assert before_ns - 1_000 < now_ns <= time.time_ns()
