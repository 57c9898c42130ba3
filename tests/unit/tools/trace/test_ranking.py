"""Which traces are the slowest, and why."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import msgspec

from libs.tracing import names
from tests.unit.tools.trace.waterfalls import (
    START_US,
    changed,
    failed,
    moved,
    stretched,
    waterfall,
)
from tools.trace import budget
from tools.trace.jaeger import Span, Trace
from tools.trace.judgement import judge
from tools.trace.ranking import as_json, slowest

MANY = 3_000
# Generous: what matters is that it is seconds and not minutes.
MANY_WITHIN_S = 10.0


def waiting_for_the_slot(trace: Trace, longer_us: int) -> Trace:
    """The same trace with a record that waited longer before the sink began to work on it."""

    def wait(span: Span) -> Span:
        return replace(span, duration_us=span.duration_us + longer_us)

    later = changed(
        trace,
        lambda span: span.start_us >= START_US + 80_000,
        lambda span: moved(span, longer_us),
    )
    return changed(later, lambda span: span.name in (names.ROOT, "queue events.decorated"), wait)


def test_the_slowest_come_first_and_say_what_dominated() -> None:
    traces = [
        waterfall("a" * 32),
        waiting_for_the_slot(waterfall("b" * 32), 200_000),
        stretched(waterfall("c" * 32), 2),
    ]

    first, second = slowest(traces, 2)
    assert (first.trace_id, first.time_to_glass_us) == ("b" * 32, 300_000)
    assert (first.dominated_by.name, first.dominated_share) == ("queue sink", 0.7)
    assert (second.trace_id, second.time_to_glass_us) == ("c" * 32, 200_000)


def test_a_rank_says_how_many_events_and_how_it_is_known() -> None:
    (plain,) = slowest([waterfall()], 1)
    (retro,) = slowest([failed(waterfall(root={names.RETRO: True}))], 1)

    assert (plain.events, plain.is_retro, plain.is_failed) == (3, False, False)
    assert (retro.events, retro.is_retro, retro.is_failed) == (3, True, True)


def test_traces_of_the_same_time_keep_their_order() -> None:
    traces = [waterfall(f"{number:032x}") for number in range(5)]

    assert slowest(traces, 5) == slowest(traces[::-1], 5)


def test_one_that_took_no_time_has_no_place() -> None:
    nothing = Trace("t", [Span("r", "", names.ROOT, "pipeline", START_US, 0)])

    assert slowest([nothing], 5) == []


def test_a_script_gets_times_in_ms_that_add_up() -> None:
    (one,) = slowest([waterfall()], 1)

    said = json.loads(msgspec.json.encode(as_json(one)))
    assert said["dominated_by"] == {"kind": "queue", "stage": "normalize", "share": 0.2}
    assert sum(part["ms"] for part in said["spent"]) == said["time_to_glass_ms"] == 100


def test_thousands_of_traces_take_seconds() -> None:
    traces = [
        stretched(waterfall(f"{number:032x}", start_us=START_US + number), 1 + number % 7)
        for number in range(MANY)
    ]
    limits = budget.parse({"sink": {"queue_p99_ms": 70, "database_share_max": 0.5}}, "here")

    began_s = time.monotonic()
    assert len(slowest(traces, MANY)) == MANY
    judged = judge(limits, traces)
    assert time.monotonic() - began_s < MANY_WITHIN_S
    assert (judged.judged, judged.is_kept) == (MANY, True)
