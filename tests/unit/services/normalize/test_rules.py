from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from libs import events, timestamps
from libs.events import NormalBatch, NormalEvent, Origin, RawBatch, RawEvent, Rejection, Scalar
from services.normalize import rules
from services.normalize.rules import normalize

ID = "0190b5c8-6b7e-7c3a-9d3e-2f1a5b6c7d8e"
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
RECEIVED_US = 1_767_323_045_000_001


def batch_of(*made: RawEvent) -> RawBatch:
    origin = Origin("default", RECEIVED_US, 0, len(made), len(made), TRACEPARENT)
    return RawBatch(origins=[origin], events=list(made))


def event(**changes: object) -> RawEvent:
    return msgspec.structs.replace(RawEvent(ID, "cpu", 1.0), **changes)


def normal(**changes: object) -> NormalEvent:
    (made,) = normalize(batch_of(event(**changes))).batch.events
    return made


def reason(**changes: object) -> str:
    outcome = normalize(batch_of(event(**changes)))
    assert outcome.batch.events == []
    assert outcome.batch.origins == []
    return outcome.rejected[0].reason


def test_an_event_keeps_its_id_and_gets_a_canonical_name() -> None:
    made = normal(name="CPU Usage")

    assert (made.event_id, made.name) == (ID, "cpu_usage")


def test_a_value_is_brought_to_its_base_unit() -> None:
    made = normal(value=55.0, unit=" % ")

    assert (made.value, made.unit) == (0.55, "1")


@pytest.mark.parametrize("unit", [None, "", "  "])
def test_a_value_may_have_no_unit(unit: str | None) -> None:
    made = normal(value=2.5, unit=unit)

    assert (made.value, made.unit) == (2.5, None)


def test_a_value_too_large_for_its_base_unit_is_rejected() -> None:
    assert "1e+308 TiB is too large" in reason(value=1e308, unit="TiB")


def test_a_name_of_separators_is_rejected() -> None:
    assert "only separators" in reason(name=" . ")


def test_an_event_without_a_time_happened_when_its_request_was_received() -> None:
    assert normal().timestamp == "2026-01-02T03:04:05.000001Z"


def test_each_event_falls_back_to_the_time_of_its_own_request() -> None:
    first = Origin("default", 0, 0, 1, 1, TRACEPARENT)
    second = Origin("default", RECEIVED_US, 1, 1, 1, TRACEPARENT)
    made = normalize(RawBatch(origins=[first, second], events=[event(), event()])).batch.events

    assert [one.timestamp for one in made] == [
        "1970-01-01T00:00:00.000000Z",
        "2026-01-02T03:04:05.000001Z",
    ]


def test_a_time_is_brought_to_utc() -> None:
    assert normal(timestamp=1767323045.25).timestamp == "2026-01-02T03:04:05.250000Z"
    assert normal(timestamp=datetime(2026, 1, 2, tzinfo=UTC)).timestamp.startswith("2026-01-02T00")


def test_a_time_out_of_bounds_is_rejected() -> None:
    assert "years" in reason(timestamp=datetime(9999, 1, 1, tzinfo=UTC))


def test_the_names_of_attributes_are_trimmed() -> None:
    assert normal(attributes={" host ": "a", "b": 1}).attributes == {"host": "a", "b": 1}


def test_a_name_is_not_trimmed_where_that_would_lose_an_attribute() -> None:
    twice: dict[str, Scalar] = {"a": 1, " a": 2, "  ": 3, "b ": 4, " b": 5}

    assert normal(attributes=twice).attributes == {"a": 1, " a": 2, "  ": 3, "b": 4, " b": 5}


def test_a_long_text_is_cut_and_the_event_says_so() -> None:
    long = "x" * (rules.TEXT_CHARS_MAX + 1)
    made = normal(attributes={"a": long, "b": long, "c": long[:-1], "d": 1})

    assert made.attributes == {"a": long[:-1], "b": long[:-1], "c": long[:-1], "d": 1, "ttg.cut": 2}


def test_too_many_attributes_are_rejected() -> None:
    assert "65 attributes" in reason(attributes={str(number): 1 for number in range(65)})


def test_a_bad_event_leaves_alone_and_the_others_go_on() -> None:
    made = [event(name=f"event {number}") for number in range(4)]
    made[2] = event(name=".")
    origins = [
        Origin("a", RECEIVED_US, 0, 2, 2, TRACEPARENT),
        Origin("b", RECEIVED_US, 2, 2, 2, TRACEPARENT),
    ]
    outcome = normalize(RawBatch(origins=origins, events=made))

    assert [rejection.index for rejection in outcome.rejected] == [2]
    assert [one.name for one in outcome.batch.events] == ["event_0", "event_1", "event_3"]
    assert [(o.tenant, o.first, o.count, o.dead) for o in outcome.batch.origins] == [
        ("a", 0, 2, 0),
        ("b", 2, 1, 1),
    ]


def test_a_rejection_names_the_event_by_its_place() -> None:
    outcome = normalize(batch_of(event(), event(name="_")))

    assert outcome.rejected == [Rejection(1, "the name '_' holds only separators")]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
raw_events = st.builds(
    RawEvent,
    event_id=st.uuids().map(str),
    name=texts,
    value=st.floats(allow_nan=False, allow_infinity=False),
    unit=st.none() | texts | st.sampled_from(["ms", "KiB/s", "%", "degF", "kWh", "req/min"]),
    timestamp=st.none() | st.floats(0, 4.1e9),
    attributes=st.dictionaries(
        texts | st.sampled_from([" a", "a", "ttg.cut"]),
        texts | st.none() | st.integers(-9, 9) | st.just("long" * rules.TEXT_CHARS_MAX),
        max_size=4,
    ),
)


@given(st.lists(raw_events, min_size=1, max_size=4))
@settings(deadline=None, max_examples=150)
def test_normalizing_twice_is_the_same_as_once(made: list[RawEvent]) -> None:
    once = normalize(batch_of(*made)).batch
    if not once.events:
        return
    value = events.encode(once)

    twice = normalize(events.decode(RawBatch, value))

    assert twice.rejected == []
    assert twice.batch == events.decode(NormalBatch, value)


@given(st.lists(raw_events, min_size=1, max_size=4))
@settings(deadline=None, max_examples=50)
def test_nothing_is_lost_and_nothing_made_up(made: list[RawEvent]) -> None:
    outcome = normalize(batch_of(*made))

    dead = {rejection.index for rejection in outcome.rejected}
    left = [one.event_id for index, one in enumerate(made) if index not in dead]
    assert [one.event_id for one in outcome.batch.events] == left
    for one in outcome.batch.events:
        assert timestamps.written(timestamps.parse(one.timestamp)) == one.timestamp
