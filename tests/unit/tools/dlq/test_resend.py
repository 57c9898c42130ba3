"""The record that a dead letter becomes."""

from __future__ import annotations

import pytest

from libs import tracing
from libs.errors import Rejected
from libs.events import Origin, RawBatch, RawEvent, decode, encode
from libs.kafka.memory import MemoryBroker
from services.normalize.rules import normalize
from tests.emitted import Emitted
from tests.unit.tools.dlq.letters import batch, origin, record
from tools.dlq.letter import Letter, of_record
from tools.dlq.resend import Prepared, Resent, prepare, send

NOW_US = 1_800_000_000_000_000


def prepared(letter: Letter) -> Prepared:
    return prepare(letter, NOW_US, Emitted().policy)


def again(letter: Letter) -> tuple[RawBatch, list[Origin]]:
    made = decode(RawBatch, prepared(letter).record.value)
    return made, made.origins


def test_it_goes_to_the_place_it_died_at_with_the_same_ids_and_tenant() -> None:
    letter = of_record(record(batch("a", "b", tenant="acme")))

    made = prepared(letter)

    assert (made.record.topic, made.record.partition, made.record.key) == ("events.raw", 3, b"key")
    sent = decode(RawBatch, made.record.value)
    assert [(sent.origins[0].tenant, event.event_id) for event in sent.events] == letter.keys


def test_it_is_a_request_of_its_own_that_begins_now() -> None:
    made, (only,) = again(of_record(record(batch("a", "b", is_last=False, dead=3))))

    assert (only.received_us, only.total, only.count, only.dead) == (NOW_US, 2, 2, 0)
    assert only.is_last
    assert len(made.events) == 2


def test_each_origin_has_a_new_trace_and_the_headers_are_those_of_the_door() -> None:
    shared = batch("a", "b")
    two = RawBatch(origins=[origin(0, 1), origin(1, 1)], events=shared.events)

    made = prepared(of_record(record(two)))

    origins = decode(RawBatch, made.record.value).origins
    assert [o.traceparent for o in origins] == [r.traceparent for r in made.replays]
    assert [o.tracestate for o in origins] == [r.tracestate for r in made.replays]
    assert len({o.trace_id for o in (*origins, *two.origins)}) == 4
    carried = tracing.read_headers(made.record.headers)
    assert carried.traceparent == made.replays[0].traceparent
    assert [(stop.stage, stop.read) for stop in carried.trail.stops] == [("ttg", "")]


def test_an_event_without_a_time_keeps_the_one_it_would_have_had() -> None:
    letter = of_record(record(batch("a")))
    assert isinstance(letter.batch, RawBatch)

    made, _origins = again(letter)

    before, after = normalize(letter.batch).batch.events, normalize(made).batch.events
    assert [event.timestamp for event in after] == [event.timestamp for event in before]
    assert after[0].timestamp.endswith("20.000123Z")


def test_an_event_with_a_time_keeps_it() -> None:
    timed = RawBatch(origins=[origin(0, 1)], events=[RawEvent("id", "a", 1.0, timestamp=7.0)])

    made, _origins = again(of_record(record(timed)))

    assert made.events[0].timestamp == 7.0


def test_what_cannot_be_read_goes_as_it_is_in_a_trace_that_has_no_root_to_wait_for() -> None:
    died = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    letter = of_record(record(b"{broken", ("traceparent", died), ("other", b"kept")))

    made = prepared(letter)

    assert made.record.value == b"{broken"
    assert made.record.headers == [
        ("traceparent", made.replays[0].traceparent.encode()),
        ("ttg-replay-of", b"events.raw-3-17"),
        ("other", b"kept"),
    ]
    assert made.replays[0].root_id == 0


@pytest.mark.parametrize("value", [b"{broken", batch("a")])
async def test_in_interop_mode_the_context_is_left_to_whoever_sends(
    value: bytes | RawBatch,
) -> None:
    died = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    context = () if isinstance(value, RawBatch) else (("traceparent", died), ("tracestate", b"a=b"))
    letter = of_record(record(value, *context, ("other", b"kept")))

    sent = prepare(letter, NOW_US, Emitted(kafka="contrib").policy).record.headers

    assert not {"traceparent", "tracestate"} & dict(sent).keys()
    assert ("ttg-trail" if letter.batch else "ttg-replay-of") in dict(sent)


def test_what_was_cut_is_refused_with_what_is_missing() -> None:
    letter = of_record(record(b"begin", ("dlq.value.bytes", b"900000")))

    with pytest.raises(Rejected, match=r"only the first 5 of its 900,000 bytes were kept"):
        prepared(letter)


async def test_letters_are_sent_in_their_order_and_both_traces_are_told() -> None:
    broker, emitted, resent = MemoryBroker(), Emitted(), Resent()
    letters = [of_record(record(batch(name), offset=n)) for n, name in enumerate("abc")]
    shown: list[str] = []

    async with broker.producer() as producer:
        await send(letters, producer, emitted, resent, shown.append)

    sent = [decode(RawBatch, one.value).events[0].name for one in broker.records("events.raw")]
    assert sent == ["a", "b", "c"]
    assert [ack.offset for _prepared, ack in resent.sent] == [0, 1, 2]
    assert emitted.names().count("replay events.raw") == 3
    assert emitted.names().count("replayed to events.raw") == 3
    assert shown == ["3 of 3"]


async def test_one_that_is_refused_does_not_hold_up_the_others() -> None:
    broker, resent = MemoryBroker(record_bytes_max=1_000), Resent()
    large = of_record(record(batch("x" * 2_000)))
    cut = of_record(record(encode(batch("a")), ("dlq.value.bytes", b"9")))

    async with broker.producer() as producer:
        letters = [large, cut, of_record(record(batch("a")))]
        await send(letters, producer, Emitted(), resent, lambda _text: None)

    assert [letter for letter, _why in resent.refused] == [large, cut]
    assert len(resent.sent) == 1
