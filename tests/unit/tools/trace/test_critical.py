"""What each moment of a trace was spent on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal

import pytest
from hypothesis import given, strategies as st

from libs.tracing import names
from services.topology import INGEST, PIPELINE, SINK
from tests.unit.tools.trace.waterfalls import (
    PART_US,
    ROOT_ID,
    SPENT_MS,
    START_US,
    changed,
    failed,
    moved,
    rebuilt,
    waterfall,
    without,
)
from tools.trace.critical import Section, extent, path
from tools.trace.jaeger import Span, Trace

WHOLE_MS = 100


def spent_ms(sections: Iterable[Section]) -> dict[tuple[str, str, str], float]:
    spent: Counter[tuple[str, str, str]] = Counter()
    for section in sections:
        spent[section.kind, section.stage, section.part] += section.duration_us
    return {key: duration_us / 1_000 for key, duration_us in spent.items()}


def check(trace: Trace) -> list[Section]:
    """Find the path, which must cover all of a trace, each moment once."""
    found = path(trace)
    began_us, ended_us = extent(trace)
    assert sum(section.duration_us for section in found) == ended_us - began_us
    assert all(section.duration_us > 0 for section in found)
    assert all(one.end_us == other.start_us for one, other in pairwise(found))
    if found:
        assert (found[0].start_us, found[-1].end_us) == (began_us, ended_us)
    return found


@pytest.mark.parametrize("shape", ["glass", "chain"])
def test_a_waterfall_is_explained_to_the_microsecond_in_either_shape(
    shape: Literal["glass", "chain"],
) -> None:
    assert sum(SPENT_MS.values()) == WHOLE_MS
    assert spent_ms(check(waterfall(shape=shape))) == SPENT_MS


def test_the_next_queue_takes_over_where_the_record_is_in_the_log() -> None:
    found = check(waterfall())

    (ack,) = [one for one in found if (one.stage, one.part) == ("normalize", "ack")]
    assert ack.end_us == START_US + 40_000
    (log,) = [one for one in found if (one.stage, one.part) == ("decorate", "log")]
    assert log.start_us == ack.end_us


def test_of_a_request_in_parts_the_path_is_that_of_the_part_that_came_last() -> None:
    found = check(waterfall(parts=5))

    behind_ms = 4 * PART_US / 1_000
    assert spent_ms(found) == SPENT_MS | {("work", "ingest", "aggregate"): 5 + behind_ms}
    others = {f"{stage}-{part}" for stage in ("normalize", "decorate", "sink") for part in range(4)}
    assert not others & {section.span_id for section in found}


def test_parts_that_are_stored_in_one_transaction_share_its_operations() -> None:
    """Both have the same end then, and each has spans of the operations of its own."""
    trace = waterfall(parts=2)
    (last,) = [span for span in trace.spans if span.id == "sink-1"]
    together = changed(
        trace,
        lambda span: span.id == "sink-0",
        lambda span: replace(span, start_us=last.start_us, duration_us=last.duration_us),
    )

    assert check(together) == check(trace)


def test_what_another_part_sent_meanwhile_is_not_what_this_one_did() -> None:
    """Two parts are worked on at once, and the first is sent before the second is ready."""
    trace = changed(
        waterfall(parts=2),
        lambda span: span.id == "normalize-1",
        lambda span: replace(span, start_us=START_US + 31_000, duration_us=21_000),
    )
    earlier = changed(
        trace,
        lambda span: span.id == "queue-events.raw-1",
        lambda span: replace(span, duration_us=11_000),
    )

    found = spent_ms(check(earlier))
    assert found["work", "normalize", "process"] == 11
    assert found["broker", "normalize", "buffer"] == SPENT_MS["broker", "normalize", "buffer"]


def test_a_part_that_is_still_under_way_is_not_taken_for_the_end() -> None:
    """The last part died early; the one before it is further on the way."""
    trace = waterfall(parts=2)
    (dead,) = [span for span in trace.spans if span.id == "normalize-1"]
    ended = changed(
        trace,
        lambda span: span.id == ROOT_ID,
        lambda span: replace(span, duration_us=dead.end_us - START_US),
    )

    assert check(ended)[-1].stage == "normalize"


def test_a_record_is_followed_by_its_position_however_late_its_ack_was() -> None:
    trace = waterfall(parts=2)
    late = changed(
        trace,
        lambda span: span.id == "send-events.raw-1",
        lambda span: replace(span, duration_us=span.duration_us + 20_000),
    )

    assert check(late) == check(trace)


def test_a_record_is_followed_by_its_position_where_clocks_differ() -> None:
    """Decorate and sink are behind, so a record seems to be read before it was written."""
    apart = changed(
        waterfall(parts=2),
        lambda span: span.service in ("decorate", "sink"),
        lambda span: moved(span, -20_000),
    )

    assert not {s.span_id for s in check(apart) if s.span_id.endswith("-0")}


def test_a_try_that_was_not_acknowledged_is_not_what_brought_the_record() -> None:
    trace = waterfall()
    tried = Span("tried", "door", "send events.raw", "ingest", START_US + 500, 9_500)

    assert check(Trace(trace.id, [tried, *trace.spans])) == check(trace)


def test_a_send_that_outlasts_its_work_counts_as_far_as_the_work_goes() -> None:
    spans = [
        Span("p", "", "process events.raw", "normalize", START_US, 10_000),
        Span("s", "p", "send events.normalized", "normalize", START_US + 2_000, 9_000),
        Span(ROOT_ID, "", names.ROOT, "pipeline", START_US, 10_000),
    ]

    assert spent_ms(check(Trace("t", spans))) == {
        ("work", "normalize", "process"): 2,
        ("broker", "normalize", "send"): 8,
    }


def test_the_path_never_goes_on_to_a_later_stage() -> None:
    """The queue of the last part was lost, and another part was in decorate meanwhile."""
    spans = [
        Span(ROOT_ID, "", names.ROOT, "pipeline", START_US, 100_000),
        Span("door", ROOT_ID, names.SERVER, "ingest", START_US, 10_000),
        Span("other", ROOT_ID, "process events.normalized", "decorate", START_US + 20_000, 30_000),
        Span("last", ROOT_ID, "process events.raw", "normalize", START_US + 50_000, 50_000),
    ]

    assert spent_ms(check(Trace("t", spans))) == {
        ("work", "ingest", "parse"): 10,
        ("unexplained", "", ""): 40,
        ("work", "normalize", "process"): 50,
    }


def test_a_trace_told_afterwards_is_explained_as_far_as_it_is_told() -> None:
    found = spent_ms(check(rebuilt(waterfall())))

    assert found["queue", "normalize", "wait"] == 20
    assert found["broker", "decorate", "send"] == 9
    assert found["database", "sink", "COMMIT"] == 6
    assert not [key for key in found if key[0] == "unexplained"]


def test_a_dead_letter_is_explained_up_to_the_stage_where_it_ended() -> None:
    trace = failed(waterfall())
    ended = [
        span
        for span in trace.spans
        if span.service in ("pipeline", "ingest") or span.id.endswith(("raw-0", "normalize-0"))
    ]
    ends_us = 35_000
    dead = changed(
        Trace(trace.id, ended),
        lambda span: span.id in (ROOT_ID, "normalize-0"),
        lambda span: replace(span, duration_us=START_US + ends_us - span.start_us),
    )

    found = spent_ms(check(dead))
    assert found["work", "normalize", "process"] == 5
    assert sum(found.values()) == ends_us / 1_000
    assert not [key for key in found if key[0] == "unexplained"]


def test_a_request_that_could_not_be_sent_is_explained_by_the_door() -> None:
    spans = [
        Span(ROOT_ID, "", names.ROOT, "pipeline", START_US, 50_000, {"error": True}),
        Span("door", ROOT_ID, names.SERVER, "ingest", START_US, 50_000),
        Span("sent", "door", "send events.raw", "ingest", START_US + 2_000, 45_000),
    ]

    assert spent_ms(check(Trace("t", spans))) == {
        ("work", "ingest", "parse"): 2,
        ("broker", "ingest", "send"): 45,
        ("work", "ingest", "answer"): 3,
    }


def test_a_trace_without_a_root_is_explained_up_to_where_it_has_come() -> None:
    sink = [span.name for span in waterfall().spans if span.service == "sink"]
    found = spent_ms(check(without(waterfall(), names.ROOT, *sink)))

    assert found["broker", "decorate", "ack"] == 10
    assert sum(found.values()) == 73
    assert not [key for key in found if key[0] == "unexplained"]


def test_where_a_span_was_lost_its_time_is_unexplained_and_the_rest_is_found() -> None:
    found = spent_ms(check(without(waterfall(), "queue events.normalized")))

    # The send that it took over from lasts two milliseconds longer.
    assert found.pop(("unexplained", "", "")) == 18
    assert found.pop(("broker", "normalize", "ack")) == 7
    gone = {key: ms for key, ms in SPENT_MS.items() if key[:2] != ("queue", "decorate")}
    del gone["broker", "normalize", "ack"]
    assert found == gone


@pytest.mark.parametrize("ahead_us", [-200_000, -7_000, 7_000, 200_000])
@pytest.mark.parametrize("stage", [hop.stage for hop in PIPELINE])
def test_clocks_that_differ_make_no_time_negative(stage: str, ahead_us: int) -> None:
    apart = changed(
        waterfall(), lambda span: span.service == stage, lambda span: moved(span, ahead_us)
    )

    check(apart)


def test_a_neighbour_that_reads_the_same_topic_is_not_on_the_path() -> None:
    trace = waterfall()
    neighbours = [
        Span("n", "send", "process events.decorated", "java", START_US + 71_000, 29_000),
        Span("c", "n", names.COMMIT, "java", START_US + 95_000, 5_000),
    ]

    assert check(Trace(trace.id, [*trace.spans, *neighbours])) == check(trace)


def test_of_a_second_delivery_the_path_has_the_one_that_was_stored() -> None:
    """An earlier try read the same record, was killed, and stored nothing."""
    trace = waterfall()
    (queue,) = [span for span in trace.spans if span.name == "queue events.decorated"]
    tried = [
        replace(queue, id="earlier queue", duration_us=2_000),
        Span("earlier", ROOT_ID, "process events.decorated", "sink", START_US + 72_000, 3_000),
    ]

    assert check(Trace(trace.id, [*tried, *trace.spans])) == check(trace)


def test_a_request_that_took_no_time_has_no_path() -> None:
    assert check(Trace("t", [Span(ROOT_ID, "", names.ROOT, "pipeline", START_US, 0)])) == []


PLACES = [
    (names.SERVER, INGEST.stage),
    ("COPY event", SINK.stage),
    (names.COMMIT, SINK.stage),
    *((names.SEND.format(topic=hop.writes), hop.stage) for hop in PIPELINE if hop.writes),
    *((names.QUEUE.format(topic=hop.reads), hop.stage) for hop in PIPELINE if hop.reads),
    *((names.PROCESS.format(topic=hop.reads), hop.stage) for hop in PIPELINE if hop.reads),
    ("process events.decorated", "java"),
]
ATTRIBUTES = st.fixed_dictionaries(
    {},
    optional={
        names.MESSAGING_PARTITION: st.sampled_from(["0", "1"]),
        names.MESSAGING_OFFSET: st.integers(0, 2),
        names.QUEUE_LOG_SECONDS: st.floats(-1e-5, 1e-5),
        names.QUEUE_SLOT_SECONDS: st.floats(-1e-5, 1e-5),
        names.SEND_BUFFER_SECONDS: st.floats(-1e-5, 1e-5),
    },
)


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    """Any spans at any times, with a root or without."""
    found: list[tuple[tuple[str, str], int, int, dict[str, Any]]] = draw(
        st.lists(
            st.tuples(
                st.sampled_from(PLACES),
                # Few, so that many of them are the same.
                st.integers(0, 20),
                st.integers(0, 12),
                ATTRIBUTES,
            ),
            min_size=1,
            max_size=30,
        )
    )
    spans = [
        Span(str(number), "", *place, start_us, duration_us, attributes)
        for number, (place, start_us, duration_us, attributes) in enumerate(found)
    ]
    if draw(st.booleans()):
        root = st.tuples(st.integers(0, 12), st.integers(0, 24))
        spans.append(Span(ROOT_ID, "", names.ROOT, "pipeline", *draw(root)))
    return Trace("t", spans)


@given(traces())
def test_whatever_the_spans_are_they_add_up(trace: Trace) -> None:
    by_id = {span.id: span for span in trace.spans}

    for section in check(trace):
        if section.kind != "unexplained":
            span = by_id[section.span_id]
            assert span.start_us <= section.start_us < section.end_us <= span.end_us
            assert span.service == section.stage


@given(traces(), st.randoms(use_true_random=False))
def test_the_order_in_which_spans_come_changes_nothing(trace: Trace, random: Any) -> None:
    shuffled = list(trace.spans)
    random.shuffle(shuffled)

    assert path(Trace(trace.id, shuffled)) == path(trace)


@given(st.permutations(waterfall(parts=3).spans))
def test_nor_does_it_for_a_request_in_parts(spans: list[Span]) -> None:
    assert path(Trace("t", spans)) == path(waterfall(parts=3))
