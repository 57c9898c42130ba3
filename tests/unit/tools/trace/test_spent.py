"""What a critical path adds up to."""

from __future__ import annotations

from tests.unit.tools.trace.waterfalls import SPENT_MS, waterfall, without
from tools.trace.critical import path
from tools.trace.spent import by_stage, most


def test_it_is_grouped_by_kind_and_within_a_kind_along_the_pipeline() -> None:
    summed = by_stage(path(waterfall()))

    assert [one.name for one in summed] == [
        "work ingest", "work normalize", "work decorate", "work sink",
        "queue normalize", "queue decorate", "queue sink",
        "broker ingest", "broker normalize", "broker decorate",
        "database sink",
    ]  # fmt: skip
    assert sum(one.duration_us for one in summed) == sum(SPENT_MS.values()) * 1_000
    for one in summed:
        assert one.duration_us == sum(one.parts.values())


def test_parts_come_in_the_order_of_time() -> None:
    (queue,) = [one for one in by_stage(path(waterfall())) if one.name == "queue sink"]

    assert list(queue.parts.items()) == [
        ("log", 4_000), ("fetch", 3_000), ("prefetch", 2_000), ("slot", 1_000),
    ]  # fmt: skip


def test_what_is_unexplained_comes_last_and_has_no_stage() -> None:
    summed = by_stage(path(without(waterfall(), "queue events.normalized")))

    assert summed[-1].name == "unexplained"


def test_most_is_what_took_longest() -> None:
    gone = without(waterfall(), "queue events.raw")

    assert most(by_stage(path(waterfall()))).duration_us == 20_000
    assert most(by_stage(path(gone))).name == "queue decorate"
