"""What is read of a dead letter, wherever it is kept."""

from __future__ import annotations

import json
import uuid

import pytest

from libs.events import RawBatch, encode
from libs.kafka import Record
from services.normalize.foreign import Position, decode_raw
from tests.unit.tools.dlq.letters import NULL, REASON, batch, record
from tools.dlq.letter import of_record, of_row


def test_a_letter_of_a_topic_tells_where_and_why_it_died() -> None:
    letter = of_record(record(batch("a", "b")))

    assert letter.place == "events.raw-3-17"
    assert (letter.stage, letter.reason, letter.dead_us) == ("normalize", REASON, 5_000_000)
    assert letter.kept_in == "events.raw.dlq [3] at offset 1"
    assert [tenant for tenant, _event_id in letter.keys] == ["default", "default"]


def test_the_traces_of_a_letter_are_those_of_its_origins() -> None:
    made = batch("a")

    assert of_record(record(made)).trace_ids == [made.origins[0].trace_id]


def test_of_a_value_that_cannot_be_read_the_headers_tell_the_trace() -> None:
    trace_id = uuid.uuid4().hex
    context = ("traceparent", f"00-{trace_id}-00f067aa0ba902b7-01".encode())

    letter = of_record(record(b"{broken", context))

    assert (letter.batch, letter.keys, letter.trace_ids) == (None, [], [trace_id])


def test_what_is_no_trace_id_is_not_printed_as_one() -> None:
    hostile = ("traceparent", b"00-\x1b]0;owned\x07" + b"a" * 40)

    assert of_record(record(b"{broken", hostile)).trace_ids == []


def test_a_foreign_record_has_the_ids_that_the_stage_would_have_given() -> None:
    value = b'[{"name": "probe", "value": 1}]'

    letter = of_record(record(value))

    position = Position("events.raw", 3, 17, 1_700_000_000_000_000)
    assert letter.batch == decode_raw(value, position)


def test_what_somebody_else_wrote_into_the_topic_is_a_letter_too() -> None:
    letter = of_record(
        Record("events.raw.dlq", 3, 1, 5, 0, 0, None, None, [("dlq.orig.offset", b"-")])
    )

    assert (letter.place, letter.stage, letter.value) == ("events.raw-3-1", "unknown", None)


@pytest.mark.parametrize("value", [NULL, b"", b"\xff"])
def test_no_value_of_a_header_stops_a_letter_from_being_read(value: bytes) -> None:
    told = ["stage", "error.message", "orig.partition", "orig.offset", "orig.timestamp"]
    headers = [(f"dlq.{name}", value) for name in (*told, "value.bytes")]

    letter = of_record(Record("events.raw.dlq", 3, 1, 5, 0, 0, None, None, headers))

    assert (letter.place, letter.whole_bytes) == ("events.raw-3-1", 0)
    assert letter.stage == letter.reason == ("\ufffd" if value else "unknown")


@pytest.mark.parametrize(
    ("value", "replay_of"), [(NULL, ""), (b"\xff", "\ufffd"), (b"events.raw-3-1", "events.raw-3-1")]
)
def test_a_letter_says_which_one_it_is_the_replay_of(value: bytes, replay_of: str) -> None:
    assert of_record(record(b"{broken", ("ttg-replay-of", value))).replay_of == replay_of


def test_a_cut_value_is_not_read_even_if_it_could_be() -> None:
    letter = of_record(record(encode(batch("a")), ("dlq.value.bytes", b"900")))

    assert (letter.whole_bytes, letter.batch) == (900, None)


def test_a_row_of_the_table_is_read_with_headers_of_either_form() -> None:
    made: RawBatch = batch("a")
    traceparent = made.origins[0].traceparent
    row = {
        "topic": "events.raw",
        "part": 3,
        "offset": 17,
        "stage": "sink",
        "reason": "refused",
        "value": encode(made),
    }

    for headers in ({"traceparent": traceparent}, [["traceparent", traceparent]]):
        letter = of_row({**row, "headers": json.dumps(headers)}, 5)

        assert (letter.place, letter.stage, letter.dead_us) == ("events.raw-3-17", "sink", 5)
        assert letter.carried.traceparent == traceparent
        assert letter.batch == made
