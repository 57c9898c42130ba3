"""What becomes of what cannot be stored."""

from __future__ import annotations

import msgspec

from libs import stage, tracing
from libs.events import DecoratedBatch, DecoratedEvent, Origin, decode, encode
from libs.kafka import Record
from services.sink.letters import Letter, Taken, letters, report_ends
from tests.emitted import Emitted

NOW = "2026-01-01T00:00:00.000000Z"
REPLICA = stage.Replica("sink", 0)


def batch_of(*counts: int, event_id: str = "") -> DecoratedBatch:
    """A batch with an origin for each count."""
    origins: list[Origin] = []
    for count in counts:
        request = tracing.begin(1_700_000_000_000_000, is_sampled=True)
        first = sum(origin.count for origin in origins)
        origins.append(
            Origin(
                tenant=f"t{len(origins)}",
                received_us=request.received_us,
                first=first,
                count=count,
                total=count,
                traceparent=request.traceparent(7),
                tracestate=request.tracestate,
            )
        )
    events = [DecoratedEvent(event_id or f"id-{n}", "probe", n, NOW) for n in range(sum(counts))]
    return DecoratedBatch(origins=origins, events=events)


def taken_of(batch: DecoratedBatch, **dead: str) -> Taken:
    record = Record("events.decorated", 3, 9, 1, 2, 0, None, encode(batch), [])
    return Taken(record, 5, batch, dead={int(place[1:]): reason for place, reason in dead.items()})


def written(*taken: Taken) -> list[Letter]:
    return letters(taken, REPLICA, Emitted().policy)


def test_what_can_be_stored_has_no_letter() -> None:
    assert written(taken_of(batch_of(2))) == []


def test_a_record_that_cannot_be_read_is_kept_as_it_came() -> None:
    headers = [("traceparent", b"00-" + b"ab" * 16 + b"-00f067aa0ba902b7-01"), ("odd", b"\xff\0")]
    headers.append(("dlq.stage", b"of an earlier death"))
    record = Record("events.decorated", 3, 9, 1_700_000_000_123_000, 2, 0, None, b"junk", headers)

    (letter,) = written(Taken(record, 5, unread="not JSON"))

    assert (letter.topic, letter.part, letter.offset) == ("events.decorated", 3, 9)
    assert (letter.event_id, letter.reason, letter.value) == ("", "not JSON", b"junk")
    assert letter.trace_id == "ab" * 16
    kept = msgspec.json.decode(letter.headers)
    assert kept["odd"] == "\\xff\ufffd"
    assert kept["dlq.orig.timestamp"] == "1700000000123"
    assert "dlq.stage" not in kept


def test_a_dead_event_is_a_batch_of_its_own_with_its_request() -> None:
    batch = batch_of(2, 3)

    (letter,) = written(taken_of(batch, _3="too odd"))

    alone = decode(DecoratedBatch, letter.value)
    assert alone.events == [batch.events[3]]
    assert alone.origins == [msgspec.structs.replace(batch.origins[1], first=0, count=1)]
    assert (letter.tenant, letter.event_id, letter.reason) == ("t1", "id-3", "too odd")
    assert msgspec.json.decode(letter.headers)["traceparent"] == batch.origins[1].traceparent


def test_events_with_one_id_have_letters_with_keys_of_their_own() -> None:
    found = written(taken_of(batch_of(2, 1, event_id="same"), _0="bad", _1="bad", _2="bad"))

    assert [letter.event_id for letter in found] == ["same", "same#1", "same#2"]


def test_no_id_is_made_up_that_another_event_has() -> None:
    batch = batch_of(4)
    ids = ["a#2", "a", "a", ""]
    events = [
        msgspec.structs.replace(event, event_id=event_id)
        for event, event_id in zip(batch.events, ids, strict=True)
    ]
    batch = msgspec.structs.replace(batch, events=events)

    found = written(taken_of(batch, _0="bad", _1="bad", _2="bad", _3="bad"))

    assert [letter.event_id for letter in found] == ["a#2", "a", "a#2#2", "#3"]


def test_the_key_of_a_letter_is_short_and_free_of_nul() -> None:
    found = written(taken_of(batch_of(2, event_id="\0" + "x" * 9_000), _0="bad", _1="b\0d"))

    key = f"\ufffd{'x' * 63}"
    assert [letter.event_id for letter in found] == [key, f"{key}#1"]
    assert found[1].reason == "b\ufffdd"


def test_what_is_left_leaves_the_dead_out_and_knows_the_places() -> None:
    one = taken_of(batch_of(2, 3), _0="bad", _3="bad")

    assert one.left is not None
    assert [event.event_id for event in one.left.events] == ["id-1", "id-2", "id-4"]
    assert one.places_left == [1, 2, 4]
    assert taken_of(batch_of(1), _0="bad").left is None


def test_only_a_request_of_which_nothing_is_left_ends_here() -> None:
    spans = Emitted()

    report_ends(spans, REPLICA, taken_of(batch_of(1, 2), _0="too odd", _1="bad"), 99)

    (root,) = spans.roots()
    assert root.attributes["ttg.dead_letter.reason"] == "too odd"
    assert root.end_us == 99
