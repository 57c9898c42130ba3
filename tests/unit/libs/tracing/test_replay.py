"""The two spans that lead from a trace that died to the one of its replay, and back."""

from __future__ import annotations

import pytest

from libs import tracing
from libs.tracing.context import parse_glass
from tests.conventions import violations
from tests.emitted import Emitted

TOPIC = "events.raw"
WRITTEN = tracing.Written(TOPIC, 3, 17, "ttg-0", handed_us=20, acked_us=30, events=1, record_us=20)


def dead(*, is_sampled: bool = True) -> tracing.Request:
    return tracing.begin(10, is_sampled=is_sampled)


def replayed(request: tracing.Request) -> tuple[tracing.Replay, Emitted]:
    replay = tracing.begin_replay(request.traceparent(7), request.tracestate, 20)
    emitted = Emitted()
    tracing.report_replay(emitted, replay, WRITTEN, "it had no unit")
    return replay, emitted


def test_a_replay_has_a_trace_of_its_own_which_is_sampled() -> None:
    request = dead(is_sampled=False)

    replay, _ = replayed(request)

    context = tracing.parse_traceparent(replay.traceparent)
    assert context is not None
    assert context.is_sampled
    assert context.trace_id == replay.trace_id != request.trace_id


def test_the_root_that_waits_begins_with_the_replay() -> None:
    replay, _ = replayed(dead())

    glass = parse_glass(replay.tracestate)
    assert glass is not None
    assert (glass.root_id, glass.received_us) == (replay.root_id, 20)


def test_both_traces_have_a_span_that_links_to_the_other() -> None:
    request = dead()

    replay, emitted = replayed(request)

    begun, way_on = emitted.named("replay events.raw"), emitted.named("replayed to events.raw")
    assert tracing.parse_traceparent(replay.traceparent) == begun.ref
    assert (begun.ref.trace_id, begun.parent_id) == (replay.trace_id, replay.root_id)
    assert begun.links == (tracing.parse_traceparent(request.traceparent(7)),)
    assert (way_on.ref.trace_id, way_on.parent_id) == (request.trace_id, request.root_id)
    assert way_on.links == (begun.ref,)


def test_in_a_trace_that_was_not_sampled_the_way_on_hangs_on_nothing() -> None:
    _, emitted = replayed(dead(is_sampled=False))

    assert emitted.named("replayed to events.raw").parent_id == 0


def test_without_a_root_the_replay_is_on_top_and_without_a_context_nothing_is_linked() -> None:
    replay = tracing.begin_replay("", "", 20, has_root=False)
    emitted = Emitted()

    tracing.report_replay(emitted, replay, WRITTEN, "not JSON")

    (begun,) = emitted.spans
    assert (begun.parent_id, begun.links, replay.tracestate) == (0, (), "")


@pytest.mark.parametrize("name", ["replay events.raw", "replayed to events.raw"])
def test_both_are_as_they_are_declared(name: str) -> None:
    _, emitted = replayed(dead())

    span = emitted.named(name)
    assert list(violations(name, span.kind, "ttg", span.attributes)) == []
