from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from libs import events
from libs.errors import Rejected
from libs.events import (
    DecoratedBatch,
    DecoratedEvent,
    NormalBatch,
    NormalEvent,
    Origin,
    RawBatch,
    RawEvent,
)

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
EVENT_ID = "0190b5c8-6b7e-7c3a-9d3e-2f1a5b6c7d8e"

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
scalars = texts | st.booleans() | st.none() | st.floats(allow_nan=False, allow_infinity=False)
raw_events = st.builds(
    RawEvent,
    event_id=st.uuids().map(str),
    name=texts,
    value=st.floats(allow_nan=False, allow_infinity=False),
    unit=st.none() | texts,
    timestamp=st.none() | st.floats(0, 4e9),
    attributes=st.dictionaries(texts, scalars | st.integers(-(2**63), 2**63 - 1), max_size=3),
)


def origins_of(counts: list[int]) -> list[Origin]:
    return [
        Origin("default", 1, sum(counts[:place]), count, count, TRACEPARENT)
        for place, count in enumerate(counts)
    ]


def raw_batch(counts: list[int]) -> RawBatch:
    made = [RawEvent(EVENT_ID, f"event {index}", 1.0) for index in range(sum(counts))]
    return RawBatch(origins=origins_of(counts), events=made)


@given(st.lists(raw_events, min_size=1, max_size=5))
@settings(deadline=None, max_examples=50)
def test_a_raw_batch_reads_back_as_it_was_written(made: list[RawEvent]) -> None:
    batch = RawBatch(origins=origins_of([len(made)]), events=made)

    assert events.decode(RawBatch, events.encode(batch)) == batch


def test_the_later_batches_read_back_as_they_were_written() -> None:
    normal = NormalEvent(EVENT_ID, "a", 1.5, "2026-01-02T03:04:05.000000Z", "s", {"b": 1})
    decorated = DecoratedEvent(EVENT_ID, "a", 1.5, "2026-01-02T03:04:05.000000Z", team="t")
    normal_batch = NormalBatch(origins=origins_of([1]), events=[normal])
    decorated_batch = DecoratedBatch(origins=origins_of([1]), events=[decorated])

    assert events.decode(NormalBatch, events.encode(normal_batch)) == normal_batch
    assert events.decode(DecoratedBatch, events.encode(decorated_batch)) == decorated_batch


def test_a_record_put_together_from_parts_is_the_record_written_whole() -> None:
    batch = raw_batch([2, 1])
    parts = [events.encode_events(batch.events[:2]), events.encode_events(batch.events[2:])]

    assert events.assemble(batch.origins, parts) == events.encode(batch)


def test_a_record_says_its_schema_first() -> None:
    assert events.encode(raw_batch([1])).startswith(b'{"schema":1,"origins":[')


def test_a_field_of_a_later_version_is_passed_over() -> None:
    value = events.encode(raw_batch([1])).replace(b'"name"', b'"later":[1],"name"')

    assert events.decode(RawBatch, value) == raw_batch([1])


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "the record has no value"),
        (b"", "the record has no value"),
        (b"hello", "not JSON: "),
        (b'{"schema":1,"origins":[', "not JSON: "),
        (b'"\xff"', "not "),
        (b'{"later":' + b"[" * 100_000, "not JSON: "),
        (b"[]", "Expected `object`"),
        (b"{}", "missing required field `origins`"),
        (b'{"schema":2,"origins":[],"events":[]}', "$.schema"),
        (b'{"origins":[],"events":[]}', "the origins cover 0 of 0 events"),
        (b'{"origins":[],"events":[{"event_id":"","name":"","value":"1"}]}', "$.events[0].value"),
        (b'{"origins":[],"events":[{"event_id":"","name":""}]}', "missing required field `value`"),
    ],
)
def test_what_is_no_record_is_rejected_with_the_reason(value: bytes | None, reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        events.decode(RawBatch, value)

    assert reason in caught.value.reason


@pytest.mark.parametrize(
    ("first", "change"),
    [
        (b'"first":0,"count":1', b'"first":1,"count":1'),
        (b'"first":0,"count":1', b'"first":0,"count":2'),
        (b'"first":0,"count":1', b'"first":0,"count":0'),
        (b'"first":0,"count":1', b'"first":0,"count":-1'),
        (b'"received_us":1', b'"received_us":-1'),
        (b'"received_us":1', b'"received_us":9223372036854775807'),
        (b"-01", b""),
    ],
)
def test_origins_that_do_not_hold_are_rejected(first: bytes, change: bytes) -> None:
    value = events.encode(raw_batch([1]))
    assert first in value

    with pytest.raises(Rejected):
        events.decode(RawBatch, value.replace(first, change, 1))


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.data())
@settings(deadline=None, max_examples=100)
def test_dropping_events_leaves_origins_that_cover_the_rest(
    counts: list[int], data: st.DataObject
) -> None:
    batch = raw_batch(counts)
    dead = data.draw(st.sets(st.integers(0, sum(counts) - 1)))

    kept = events.drop(batch.origins, dead)

    left = [event for index, event in enumerate(batch.events) if index not in dead]
    names = [left[index].name for o in kept for index in range(o.first, o.first + o.count)]
    assert names == [event.name for event in left]
    if left:
        rest = RawBatch(origins=kept, events=left)
        assert events.decode(RawBatch, events.encode(rest)) == rest


def test_an_origin_counts_what_it_lost_and_goes_when_nothing_is_left() -> None:
    kept = events.drop(origins_of([3, 1, 2]), {0, 3})

    assert [(o.first, o.count, o.dead, o.total) for o in kept] == [(0, 2, 1, 3), (2, 2, 0, 2)]


def test_the_next_contexts_replace_those_of_their_origins_only() -> None:
    batch = raw_batch([1, 1])

    onward = events.with_traceparents(batch, {1: TRACEPARENT[:-1] + "0"})

    assert [o.traceparent[-2:] for o in onward.origins] == ["01", "00"]
    assert onward.events is batch.events


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("cpu", "cpu"),
        ("  CPU Usage ", "cpu_usage"),
        ("CPU Usage . user", "cpu_usage.user"),
        ("http..server__duration", "http.server_duration"),
        ("a._b", "a.b"),
        (".a.", "a"),
        ("rx/tx-rate:5m", "rx/tx-rate:5m"),
        ("größe", "größe"),
        ("\u2003wide\u00a0space", "wide_space"),
        (" . _ ", ""),
    ],
)
def test_a_name_has_one_form(name: str, canonical: str) -> None:
    assert events.canonical_name(name) == canonical


@given(st.text())
@settings(deadline=None)
def test_a_canonical_name_stays_as_it_is(name: str) -> None:
    canonical = events.canonical_name(name)

    assert events.canonical_name(canonical) == canonical


def test_a_request_is_named_by_its_trace() -> None:
    assert origins_of([1])[0].trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"


def test_a_trace_of_more_than_one_version_is_not_an_origin() -> None:
    origin = msgspec.json.encode(origins_of([1])[0]).replace(b"-01", b"-01-extra")

    with pytest.raises(msgspec.ValidationError, match="traceparent"):
        msgspec.json.decode(origin, type=Origin)
