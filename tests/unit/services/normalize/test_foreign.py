from __future__ import annotations

import json
from dataclasses import replace
from uuid import UUID

import pytest

from libs import events
from libs.errors import Rejected
from libs.events import Origin, RawBatch, RawEvent
from services.normalize.foreign import Position, decode_raw

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
POSITION = Position("events.raw", 3, 42, 1_767_323_045_000_000, TRACEPARENT, "other=1")
ID = "0190b5c8-6b7e-7c3a-9d3e-2f1a5b6c7d8e"
OK = {"name": "cpu", "value": 1}


def read(record: object, position: Position = POSITION) -> RawBatch:
    return decode_raw(json.dumps(record).encode(), position)


@pytest.mark.parametrize("record", [OK, [OK], {"events": [OK]}, {"schema": 1, "events": [OK]}])
def test_a_foreign_record_becomes_one_origin_under_its_context(record: object) -> None:
    batch = read(record)

    assert batch.origins == [
        Origin("default", POSITION.appended_us, 0, 1, 1, TRACEPARENT, "other=1")
    ]
    assert [(event.name, event.value) for event in batch.events] == [("cpu", 1.0)]


def test_ids_are_kept_and_missing_ones_come_from_the_place() -> None:
    sent = [{**OK, "event_id": ID.upper()}, OK, OK]

    ids = [event.event_id for event in read(sent).events]

    assert ids[0] == ID
    assert len({UUID(text) for text in ids}) == 3
    assert ids == [event.event_id for event in read(sent).events]
    for elsewhere in (replace(POSITION, offset=43), replace(POSITION, appended_us=7)):
        assert ids[1:] != [event.event_id for event in read(sent, elsewhere).events][1:]


def test_without_a_context_the_request_gets_an_id_that_stays() -> None:
    alone = replace(POSITION, traceparent="", tracestate="")
    origin = read(OK, alone).origins[0]

    assert origin.tracestate == ""
    assert (len(origin.traceparent), origin.traceparent[-2:]) == (55, "00")
    assert origin == read(OK, alone).origins[0]


def test_what_is_made_of_a_foreign_record_is_a_record() -> None:
    batch = read([OK, {**OK, "attributes": {"a": 1}}], replace(POSITION, traceparent=""))

    assert events.decode(RawBatch, events.encode(batch)) == batch


@pytest.mark.parametrize("appended_us", [-1_000, 10**19])
def test_a_time_that_no_calendar_has_is_brought_within_one(appended_us: int) -> None:
    batch = read(OK, replace(POSITION, appended_us=appended_us))

    assert events.decode(RawBatch, events.encode(batch)) == batch


def test_our_own_record_is_read_as_it_is() -> None:
    origin = Origin("acme", 1, 0, 1, 1, TRACEPARENT)
    batch = RawBatch(origins=[origin], events=[RawEvent(ID, "cpu", 1.0)])

    assert decode_raw(events.encode(batch), POSITION) == batch


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "no value"),
        (b"", "no value"),
        (b"hello", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not "),
        (b"[]", "holds no events"),
        (b'{"events":[]}', "holds no events"),
        (b'{"events":7}', "$.events"),
        (b'{"schema":2,"events":[{"name":"a","value":1}]}', "schema"),
        (b'{"origins":[],"events":[]}', "cover 0 of 0"),
        (b"7", "Expected `object`"),
        (b'{"name":"a"}', "event 0 value is missing"),
        (b'[{"name":"a","value":1},{"name":"a","value":1e999}]', "event 1 value must be a number"),
        (b'{"name":"a","value":1,"attributes":{"b":"\\u0000"}}', "attributes.b must not hold"),
    ],
)
def test_what_is_neither_is_rejected_with_the_reason(value: bytes | None, reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        decode_raw(value, POSITION)

    assert reason in caught.value.reason
