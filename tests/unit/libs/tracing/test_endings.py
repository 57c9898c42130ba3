"""How waterfalls end, and how those of unsampled requests are rebuilt."""

from __future__ import annotations

from dataclasses import replace

import pytest

from libs.events import Origin
from libs.tracing import Arrival, Endings, Part, Request, Told, begin, report_death
from libs.tracing.door import Answer, report_request
from libs.tracing.facts import Operation, Read, Stored, Written
from libs.tracing.hop import Reading, legs, report_hop
from libs.tracing.trail import Stop, Trail
from tests.emitted import Emitted

RECEIVED_US = 1_700_000_000_000_000
SEND_ID = 77
DOOR = Stop("ingest", 0, "aa", "", RECEIVED_US, RECEIVED_US, RECEIVED_US + 400, RECEIVED_US + 5_400)
RAW_READ = Read(
    topic="events.raw",
    partition=3,
    offset=17,
    group="normalize",
    client_id="normalize-1",
    sent_us=DOOR.handed_us,
    appended_us=RECEIVED_US + 6_000,
    polled_us=RECEIVED_US + 8_000,
    started_us=RECEIVED_US + 9_000,
    lag_records=4,
    events=3,
    origins=1,
)
NORMALIZE = Stop(
    "normalize",
    1,
    "bb",
    "events.raw-3-17",
    RAW_READ.appended_us,
    RAW_READ.polled_us,
    RAW_READ.started_us,
    RECEIVED_US + 9_500,
)
LAST_READ = replace(
    RAW_READ,
    topic="events.normalized",
    offset=21,
    group="sink",
    client_id="sink-0",
    sent_us=NORMALIZE.handed_us,
    appended_us=RECEIVED_US + 10_000,
    polled_us=RECEIVED_US + 11_000,
    started_us=RECEIVED_US + 12_000,
)
COMMITTED_US = RECEIVED_US + 20_000
STORED = Stored(
    "ttg",
    "event",
    rows=3,
    operations=[
        Operation("COPY", RECEIVED_US + 13_000, RECEIVED_US + 15_000),
        Operation("INSERT", RECEIVED_US + 15_000, RECEIVED_US + 18_000),
        Operation("COMMIT", RECEIVED_US + 18_000, COMMITTED_US),
    ],
)


def origin_of(request: Request, *, is_last: bool = True, dead: int = 0) -> Origin:
    return Origin(
        tenant="default",
        received_us=request.received_us,
        first=0,
        count=3,
        total=3,
        traceparent=request.traceparent(SEND_ID),
        tracestate=request.tracestate,
        admitted_us=300,
        is_last=is_last,
        dead=dead,
    )


def part_of(origin: Origin, name: str = "a", *, is_repeat: bool = False) -> Part:
    arrival = Arrival(origin, Trail().then(DOOR).then(NORMALIZE), Reading(LAST_READ))
    return Part(name, arrival, STORED, Told(stored=3, dead_lettered=origin.dead), is_repeat)


def sampled_waterfall() -> Emitted:
    """What the three stages of the trail emit for a sampled request."""
    emitted = Emitted()
    request = begin(RECEIVED_US, is_sampled=True)
    sent = Written(
        "events.raw", 3, 17, "ingest-0", RECEIVED_US + 300, RECEIVED_US + 6_300, events=3
    )
    answer = Answer(202, RECEIVED_US + 6_400, 100, events=3, tenant="default")
    report_request(emitted, request, answer, [(SEND_ID, sent)])
    (leg,) = legs([origin_of(request)], Emitted().policy).values()
    onward = Written(
        "events.normalized",
        3,
        21,
        "normalize-1",
        NORMALIZE.handed_us,
        RECEIVED_US + 10_400,
        events=3,
    )
    report_hop(emitted, [leg], Reading(RAW_READ), onward)
    onward_origin = replace_traceparent(origin_of(request), leg.traceparent)
    Endings(emitted).report(part_of(onward_origin))
    return emitted


def replace_traceparent(origin: Origin, traceparent: str) -> Origin:
    fields = {name: getattr(origin, name) for name in origin.__struct_fields__}
    return Origin(**{**fields, "traceparent": traceparent})


def rebuilt_waterfall() -> Emitted:
    emitted = Emitted(retro_slow_s=0.001)
    Endings(emitted).report(part_of(origin_of(begin(RECEIVED_US, is_sampled=False))))
    return emitted


def shape(emitted: Emitted) -> dict[str, tuple[object, ...]]:
    """Each span by its name: kind, start, whom it hangs on, and whom it links to."""
    by_id = {span.ref.span_id: span.name for span in emitted.spans}
    return {
        span.name: (
            span.kind,
            span.start_us,
            by_id.get(span.parent_id),
            [by_id[link.span_id] for link in span.links],
        )
        for span in emitted.spans
    }


def test_a_rebuilt_waterfall_is_that_of_a_sampled_request() -> None:
    sampled, rebuilt = sampled_waterfall(), rebuilt_waterfall()

    assert shape(rebuilt) == shape(sampled)
    assert len(rebuilt.spans) == len(sampled.spans) == 11


def test_a_rebuilt_span_ends_where_the_sampled_one_does_but_for_what_only_a_sender_saw() -> None:
    sampled, rebuilt = sampled_waterfall(), rebuilt_waterfall()

    def ends(emitted: Emitted) -> dict[str, int]:
        return {span.name: span.end_us for span in emitted.spans}

    expected = ends(sampled)
    # The ack and the answer came back later than the log had the record.
    expected["send events.raw"] = expected["POST /v1/events"] = RAW_READ.appended_us
    expected["send events.normalized"] = LAST_READ.appended_us
    expected["process events.raw"] = LAST_READ.appended_us
    assert ends(rebuilt) == expected


def test_a_rebuilt_span_has_the_attributes_of_the_sampled_one_and_a_mark() -> None:
    sampled, rebuilt = sampled_waterfall(), rebuilt_waterfall()

    for span in rebuilt.spans:
        original = dict(sampled.named(span.name).attributes)
        # The size of the body and the lag of earlier stages are not in the trail.
        original.pop("http.request.body.size", None)
        if span.name == "queue events.raw":
            original.pop("ttg.lag.records")
        assert span.attributes == {**original, "ttg.retro": True}


def test_each_rebuilt_span_is_of_the_process_that_did_the_work() -> None:
    sources = {span.name: span.source for span in rebuilt_waterfall().spans}

    def told(name: str) -> tuple[str, str, str]:
        source = sources[name]
        assert source is not None
        return source.service, source.instance, source.host

    assert told("send events.raw") == ("ingest", "ingest-0", "aa")
    assert told("process events.raw") == ("normalize", "normalize-1", "bb")
    assert sources["process events.normalized"] is None


@pytest.mark.parametrize(("slow_s", "is_told"), [(0.019, True), (0.021, False), (0, False)])
def test_only_a_request_over_the_threshold_is_rebuilt(slow_s: float, is_told: bool) -> None:
    emitted = Emitted(retro_slow_s=slow_s)
    origin = origin_of(begin(RECEIVED_US, is_sampled=False))
    endings = Endings(emitted)

    assert endings.concerns(origin, COMMITTED_US) is is_told
    endings.report(part_of(origin))

    assert bool(emitted.roots()) is is_told


def test_for_a_quick_unsampled_request_no_span_is_built(built_spans: list[str]) -> None:
    emitted = Emitted()
    endings = Endings(emitted)

    for is_sampled in (False, True):
        origin = origin_of(begin(COMMITTED_US - 1_000, is_sampled=is_sampled))
        if endings.concerns(origin, COMMITTED_US):
            endings.report(part_of(origin))

    assert built_spans == emitted.names()
    assert len(emitted.roots()) == 1


def test_an_unsampled_request_with_dead_events_is_rebuilt_as_failed() -> None:
    emitted = Emitted()
    origin = origin_of(begin(RECEIVED_US, is_sampled=False), dead=1)
    endings = Endings(emitted)

    assert endings.concerns(origin, COMMITTED_US)
    endings.report(part_of(origin))

    (root,) = emitted.roots()
    assert root.error_type == "dead_lettered"


def test_an_unsampled_request_that_dies_on_the_way_is_rebuilt_up_to_there() -> None:
    emitted = Emitted()
    origin = origin_of(begin(RECEIVED_US, is_sampled=False))

    report_death(
        emitted,
        Arrival(origin, Trail().then(DOOR), Reading(RAW_READ)),
        "bad unit",
        RECEIVED_US + 9_100,
    )

    assert emitted.names() == [
        "POST /v1/events",
        "send events.raw",
        "queue events.raw",
        "process events.raw",
        "time to glass",
    ]
    assert emitted.named("process events.raw").error_text == "bad unit"
    assert all(span.attributes["ttg.retro"] for span in emitted.spans)


def test_no_more_are_rebuilt_than_the_cap_allows() -> None:
    emitted = Emitted(retro_slow_s=0.001, retro_per_second_max=2)
    endings = Endings(emitted)

    for number in range(5):
        endings.report(part_of(origin_of(begin(RECEIVED_US, is_sampled=False)), str(number)))

    assert len(emitted.roots()) == 2


def test_the_slowest_of_a_second_are_rebuilt_when_it_is_over() -> None:
    emitted = Emitted(retro_slow_s=0, retro_slowest_per_second=2)
    endings = Endings(emitted)
    for late_us in (3_000, 1_000, 9_000, 2_000):
        endings.report(part_of(origin_of(begin(RECEIVED_US - late_us, is_sampled=False))))

    endings.flush()
    assert emitted.roots() == []
    endings.flush(is_end=True)
    assert [root.start_us for root in emitted.roots()] == [RECEIVED_US - 9_000, RECEIVED_US - 3_000]


def test_a_request_in_parts_is_rebuilt_whole_with_one_answer_and_one_root() -> None:
    emitted = Emitted(retro_slow_s=0.001)
    request = begin(RECEIVED_US, is_sampled=False)
    endings = Endings(emitted)

    endings.report(part_of(origin_of(request, is_last=False), "a"))
    assert emitted.spans == []
    endings.report(part_of(origin_of(request), "b"))

    assert emitted.names().count("POST /v1/events") == 1
    assert emitted.names().count("send events.raw") == 2
    (root,) = emitted.roots()
    assert root.attributes["ttg.events.stored"] == 6


def test_a_trail_that_does_not_begin_at_the_door_is_not_rebuilt() -> None:
    emitted = Emitted(retro_slow_s=0.001)
    part = part_of(origin_of(begin(RECEIVED_US, is_sampled=False)))
    part.arrival.trail = Trail().then(NORMALIZE)

    Endings(emitted).report(part)

    assert emitted.spans == []


@pytest.mark.parametrize("is_sampled", [True, False])
def test_a_request_ends_once_however_often_it_is_delivered(is_sampled: bool) -> None:
    emitted = Emitted(retro_slow_s=0.001)
    endings = Endings(emitted)
    origin = origin_of(begin(RECEIVED_US, is_sampled=is_sampled))

    endings.report(part_of(origin))
    endings.report(part_of(origin))
    Endings(emitted).report(part_of(origin, is_repeat=True))

    assert len(emitted.roots()) == 1


def test_a_part_that_comes_again_counts_once() -> None:
    emitted = Emitted()
    request = begin(RECEIVED_US, is_sampled=True)
    endings = Endings(emitted)
    for _ in range(3):
        endings.report(part_of(origin_of(request, is_last=False), "a"))

    endings.report(part_of(origin_of(request), "b"))

    (root,) = emitted.roots()
    assert root.attributes["ttg.events.stored"] == 6


def test_a_request_whose_first_part_died_on_the_way_ends_as_incomplete() -> None:
    emitted = Emitted()
    whole = origin_of(begin(RECEIVED_US, is_sampled=True))
    fields = {name: getattr(whole, name) for name in whole.__struct_fields__}

    Endings(emitted).report(part_of(Origin(**{**fields, "total": 10})))

    (root,) = emitted.roots()
    assert root.error_type == "incomplete"
    assert root.error_text == "7 events came another way"


def test_one_part_of_an_unsampled_request_that_dies_makes_no_trace_of_its_own() -> None:
    emitted = Emitted()
    origin = origin_of(begin(RECEIVED_US, is_sampled=False), is_last=False)

    report_death(
        emitted,
        Arrival(origin, Trail().then(DOOR), Reading(RAW_READ)),
        "bad unit",
        RECEIVED_US + 9_100,
    )

    assert emitted.spans == []


def test_requests_that_a_trusted_client_sends_in_one_trace_end_each_for_itself() -> None:
    emitted = Emitted()
    endings = Endings(emitted)
    first = begin(RECEIVED_US, is_sampled=True)
    second = replace(first, received_us=RECEIVED_US + 1, root_id=first.root_id + 1)
    for request in (first, second):
        endings.report(part_of(origin_of(request, is_last=False), "a"))

    for request in (first, second):
        endings.report(part_of(origin_of(request), "b"))

    assert [root.attributes["ttg.events.stored"] for root in emitted.roots()] == [6, 6]
