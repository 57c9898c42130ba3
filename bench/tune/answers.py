"""The two questions of every pipeline's owner, answered with what was measured."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.tune import front
from bench.tune.front import Point
from bench.tune.knobs import LINGER, MAX_POLL_INTERVAL, MAX_POLL_RECORDS, Knob
from bench.tune.trial import Done

Rows = Sequence[tuple[str, ...]]
LINGER_ASKED = "What does linger.ms add to time to glass, and what does it save in CPU?"
POLL_ASKED = (
    "What do max.poll.records and max.poll.interval.ms do to latency, throughput and rebalances?"
)


@dataclass(frozen=True, slots=True)
class Table:
    """A table and what it says in words; the cells of the first column are names."""

    title: str
    head: tuple[str, ...]
    rows: Rows
    says: str = ""


def noise(dones: Sequence[Done]) -> str:
    """Say how far the defaults differ from themselves."""
    base = front.defaults(front.points(dones))
    if base is None:
        return "The defaults were not measured."
    if base.times == 1:
        return "The defaults were measured once, so nothing is known of the noise."
    spreads = (
        ("p50", base.p50_ms),
        ("p99", base.p99_ms),
        ("processor time", base.cpu_us),
        ("throughput", base.stored),
    )
    parts = [
        f"{name} from {one.lowest:,.1f} to {one.highest:,.1f} "
        f"({(one.highest - one.lowest) / one.median:.0%})"
        for name, one in spreads
        if one.median
    ]
    return (
        f"The defaults were measured {base.times} times among the other trials: "
        f"{', '.join(parts)}. A difference smaller than that says nothing."
    )


def linger(dones: Sequence[Done]) -> Table | None:
    """Answer the first question; `None` if it was not asked."""
    levels = _levels(front.points(dones), LINGER)
    if len(levels) < 2:
        return None
    base = levels[0][1]
    rows = [
        (
            f"{LINGER.name} {value}",
            str(point.times),
            f"{point.p50_ms.median:,.1f}",
            f"{point.p50_ms.median - base.p50_ms.median:+,.1f}",
            f"{point.p99_ms.median:,.1f}",
            f"{point.cpu_us.median:.1f}",
            f"{_ratio(point.cpu_us.median, base.cpu_us.median):+.0%}",
            f"{point.kafka_us.median:.1f}",
            f"{_median_of(point, 'batches_per_s'):,.0f}",
            f"{_median_of(point, 'records_per_batch'):.1f}",
        )
        for value, point in levels
    ]
    value, most = levels[-1]
    added_ms = most.p50_ms.median - base.p50_ms.median
    saved_us = base.cpu_us.median - most.cpu_us.median
    kafka_us = base.kafka_us.median - most.kafka_us.median
    says = (
        f"{LINGER.name}={value} {_more(added_ms, 'adds', 'takes')} {abs(added_ms):,.1f} ms "
        f"{'to' if added_ms >= 0 else 'from'} the median time to glass, which three producers in a "
        f"row each keep a batch open for, and {_more(saved_us, 'saves', 'costs')} "
        f"{abs(saved_us):.1f} µs of {base.cpu_us.median:.1f} µs of the stages' processor time an "
        f"event ({abs(_ratio(most.cpu_us.median, base.cpu_us.median)):.0%}) and "
        f"{_more(kafka_us, 'saves', 'costs')} {abs(kafka_us):.1f} of {base.kafka_us.median:.1f} of "
        "the broker's."
    )
    head = ("", "trials", "p50 ms", "adds", "p99 ms", "CPU µs", "change", "Kafka µs", "batches/s",
            "records each")  # fmt: skip
    return Table("linger.ms", head, rows, says)


def poll_records(dones: Sequence[Done]) -> Table | None:
    """Answer the first half of the second question: while work is quick."""
    levels = _levels(front.points(dones), MAX_POLL_RECORDS)
    if len(levels) < 2:
        return None
    rows = [
        (
            f"{MAX_POLL_RECORDS.name} {value}",
            str(point.times),
            f"{point.stored.median:,.0f}",
            f"{point.p50_ms.median:,.1f}",
            f"{point.p99_ms.median:,.1f}",
            f"{point.cpu_us.median:.1f}",
            str(sum(sum(one.rebalances.values()) for one in point.measured)),
        )
        for value, point in levels
    ]
    says = "; ".join(
        f"{value}: p99 {point.p99_ms.median:,.1f} ms, {point.cpu_us.median:.1f} µs"
        for value, point in levels
    )
    head = ("", "trials", "events/s", "p50 ms", "p99 ms", "CPU µs", "rebalances")
    return Table("while work is quick", head, rows, f"{MAX_POLL_RECORDS.name} {says}.")


def poll_interval(dones: Sequence[Done]) -> Table | None:
    """Answer its second half: with a stage that has more to do than it can."""
    slow = [done for done in dones if done.trial.phase == "slow" and done.measured]
    if not slow:
        return None
    rows: list[tuple[str, ...]] = []
    for done in slow:
        one = done.measured
        assert one is not None
        changes = done.trial.changes
        rows.append(
            (
                f"{MAX_POLL_RECORDS.name} "
                f"{changes.get(MAX_POLL_RECORDS.name, MAX_POLL_RECORDS.default)}, "
                f"{MAX_POLL_INTERVAL.name} "
                f"{changes.get(MAX_POLL_INTERVAL.name, MAX_POLL_INTERVAL.default)}",
                f"{one.stored:,.0f}",
                f"{one.time_to_glass.p50:,.0f}",
                f"{one.time_to_glass.p99:,.0f}",
                str(sum(one.rebalances.values())),
                str(one.commits_refused),
            )
        )
    says = (
        "Two replicas of decorate are made so slow that they can do half of the load. What waits "
        "for them grows, one poll takes more and more records, and a replica whose work on one "
        f"lasts longer than {MAX_POLL_INTERVAL.name} is out of its group: its partitions go to "
        "the other one, its commit is refused, and the same records are worked on again. Fewer "
        "records a poll keep it inside the interval. The times are of what was stored meanwhile."
    )
    head = ("with a slow decorate", "events/s", "p50 ms", "p99 ms", "rebalances",
            "commits refused")  # fmt: skip
    return Table("while work is slow", head, rows, says)


def _levels(found: Sequence[Point], knob: Knob) -> list[tuple[str, Point]]:
    """The default and each other value of a knob, alone, ascending."""
    alone = [
        (point.changes.get(knob.name, knob.default), point)
        for point in found
        if not point.changes or [*point.changes] == [knob.name]
    ]
    return sorted(alone, key=lambda level: float(level[0]))


def _median_of(point: Point, name: str) -> float:
    return statistics.median(getattr(one, name) for one in point.measured)


def _ratio(now: float, base: float) -> float:
    return now / base - 1 if base else 0.0


def _more(value: float, if_so: str, otherwise: str) -> str:
    return if_so if value >= 0 else otherwise
