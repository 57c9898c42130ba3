"""A stack that exports to a collector of ours: all that it says, against all that is declared."""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import asyncpg
import msgspec
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from libs.tracing import names
from services.topology import INGEST, SINK, TOPICS
from tests.collector import HOST, Collector, Received, collecting
from tests.conformance import (
    Key,
    keys,
    measure_violations,
    record_violations,
    stream_violations,
)
from tests.conventions import CONVENTIONS, MEASURES, RECORDS
from tests.door import second_door
from tests.modes import native_only
from tests.neighbours import by_librdkafka
from tests.stack import Answer, Stack, eventually, running
from tests.waterfalls import WATERFALL

pytestmark = [
    pytest.mark.stack,
    pytest.mark.timeout(1_900),
    native_only("Its collector is on the loopback interface, which is another one in a container."),
]

EVENT = {"name": "probe", "value": 1}
BAD = {"name": "probe", "value": 1e308, "unit": "TB"}
# More than a record takes.
LARGE = [EVENT] * 2_500
TOLD_LIMIT_S = 30.0
LOCK_LIMIT_S = 15.0
EXPORTING = {
    "OTEL_METRICS_EXPORTER": "otlp",
    "OTEL_METRIC_EXPORT_INTERVAL": "1000",
    "OTEL_LOGS_EXPORTER": "otlp",
}
# So many that each unsampled request is told afterwards.
SETTINGS = {**EXPORTING, "TRACE_RETRO_SLOWEST_PER_SECOND": "1000"}
# Of a database that is away when a sink starts to write, which takes too long to make; and of the
# operator's command, whose own test looks at them.
REPLAYS = (names.REPLAY, names.REPLAYED)
NOT_PLAYED = {names.CONNECT, *(one.format(topic=topic) for one in REPLAYS for topic in TOPICS)}
ONCE = Counter([names.ROOT, names.SERVER])


@dataclass(frozen=True)
class Played:
    """What was done to a stack, and what it said of that until its end."""

    collector: Collector
    answers: dict[str, Answer]
    theirs: frozenset[Key]

    def spans_of(self, name: str) -> list[Received]:
        trace_id = bytes.fromhex(self.answers[name].body["trace_id"])
        return [one for one in self.collector.spans if one.span.trace_id == trace_id]

    def names_of(self, name: str) -> Counter[str]:
        return Counter(one.span.name for one in self.spans_of(name))


@pytest.fixture(scope="module", params=["glass", "chain"])
def played(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Played]:
    with collecting() as collector:
        settings = {
            **SETTINGS,
            "TRACE_SHAPE": request.param,
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{HOST}:{collector.port}",
        }
        with running(tmp_path_factory.mktemp("captured") / "state", **settings) as stack:
            answers, theirs = play(stack, collector)
        # All stages have ended, and have said the last of it.
        yield Played(collector, answers, theirs)


def play(stack: Stack, collector: Collector) -> tuple[dict[str, Answer], frozenset[Key]]:
    """Send what has each kind of end, and wait until all of it has come to its own."""
    caller, writer, poisoner = new_context(), new_context(), new_context()
    with second_door(stack, OTEL_TRACES_SAMPLER_ARG=0, **EXPORTING) as unsampled:
        answers = {
            "one": stack.post(EVENT),
            "five": stack.post([EVENT] * 5),
            "parts": stack.post(LARGE),
            "linked": stack.post(EVENT, traceparent=text(caller)),
            "dead": stack.post(BAD),
            "partly dead": stack.post([EVENT, BAD]),
            "retro dead": unsampled.post(BAD),
            "retro partly dead": unsampled.post([EVENT, BAD]),
            "retro parts": unsampled.post([*LARGE, BAD]),
            "refused": stack.post({"name": ""}),
        }
        event_id = str(uuid.uuid4())
        answers["retro"] = unsampled.post({**EVENT, "event_id": event_id})
        eventually(lambda: stack.events(f"event_id={event_id}"), TOLD_LIMIT_S)
    answers["retried"] = asyncio.run(break_an_insert(stack, lambda: stack.post(EVENT)))
    servers = stack.kafka_bootstrap_servers
    by_librdkafka(servers, TOPICS[0], msgspec.json.encode(EVENT), [("traceparent", text(writer))])
    for topic in TOPICS:
        by_librdkafka(servers, topic, b"junk", [("traceparent", text(poisoner))])
    ended = [a.body["trace_id"] for name, a in answers.items() if name not in ("refused", "retro")]
    eventually(lambda: {*ended} <= traces_with(collector, names.ROOT), TOLD_LIMIT_S)
    eventually(lambda: writer[0].hex() in traces_with(collector, names.COMMIT), TOLD_LIMIT_S)
    last = names.PROCESS.format(topic=TOPICS[-1])
    eventually(lambda: poisoner[0].hex() in traces_with(collector, last), TOLD_LIMIT_S)
    return answers, frozenset((caller, writer, poisoner))


def new_context() -> Key:
    return secrets.token_bytes(16), secrets.token_bytes(8)


def text(context: Key) -> str:
    return f"00-{context[0].hex()}-{context[1].hex()}-01"


def traces_with(collector: Collector, name: str) -> set[str]:
    return {one.span.trace_id.hex() for one in collector.spans if one.span.name == name}


async def break_an_insert(stack: Stack, post: Callable[[], Answer]) -> Answer:
    """End the sink's session in the middle of an INSERT, as an operator of the database may."""
    connection = await asyncpg.connect(stack.values["DATABASE_URL"])
    ended = (
        "select count(pg_terminate_backend(pid)) from pg_stat_activity"
        " where application_name = $1 and wait_event_type = 'Lock'"
    )
    try:
        async with asyncio.timeout(LOCK_LIMIT_S), connection.transaction():
            await connection.execute("lock table event in access exclusive mode")
            answer = await asyncio.to_thread(post)
            while not await connection.fetchval(ended, f"{SINK.stage}-0"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    finally:
        await connection.close()
    return answer


def test_every_span_is_as_it_is_declared_and_hangs_where_it_must(played: Played) -> None:
    assert sorted(set(stream_violations(played.collector.spans, played.theirs))) == []


def test_the_stream_holds_each_span_that_is_declared(played: Played) -> None:
    seen = {one.span.name for one in played.collector.spans}

    assert CONVENTIONS.keys() - seen == NOT_PLAYED


@pytest.mark.parametrize("name", ["one", "five", "linked", "partly dead", "retro"])
def test_a_request_in_one_record_has_a_whole_waterfall(played: Played, name: str) -> None:
    assert played.names_of(name) == WATERFALL


@pytest.mark.parametrize("name", ["parts", "retro parts"])
def test_a_request_in_parts_has_each_span_for_each_part(played: Played, name: str) -> None:
    found = played.names_of(name)
    parts = found[names.SEND.format(topic=INGEST.writes)]

    assert parts > 1
    assert found == Counter({one: parts for one in WATERFALL - ONCE}) + ONCE


def test_exactly_what_was_not_sampled_is_marked_as_told_afterwards(played: Played) -> None:
    marked = {
        name
        for name in played.answers
        if any(names.RETRO in one.attributes for one in played.spans_of(name))
    }
    assert marked == {name for name in played.answers if name.startswith("retro ")} | {"retro"}


def test_the_trace_of_a_client_is_linked_and_a_refused_request_has_none(played: Played) -> None:
    (server,) = [one.span for one in played.spans_of("linked") if one.span.name == names.SERVER]

    assert [(link.trace_id, link.span_id) in played.theirs for link in server.links] == [True]
    assert played.answers["refused"].status == 422
    assert played.spans_of("refused") == []


def test_a_try_that_failed_is_a_span_and_a_record_of_its_own(played: Played) -> None:
    insert = f"{names.INSERT} event"
    assert played.names_of("retried") == WATERFALL + Counter([insert])

    failed = [one for one in played.spans_of("retried") if names.ERROR_TYPE in one.attributes]
    (span,) = [one.span for one in failed]
    assert span.name == insert
    assert records_by_span(played)[key(span)] == [names.DB_EXCEPTION]


def test_every_measure_is_as_it_is_declared(played: Played) -> None:
    spans = keys(played.collector.spans) | played.theirs
    measured = played.collector.measures.measured
    wrong = {violation for one in measured for violation in measure_violations(one, spans)}

    assert wrong == set()
    assert {one.metric.name for one in measured} == MEASURES.keys()


def test_every_failure_is_one_record_as_it_is_declared(played: Played) -> None:
    spans = keys(played.collector.spans) | played.theirs
    records = played.collector.logs.records
    wrong = {violation for one in records for violation in record_violations(one, spans)}
    told = records_by_span(played)

    assert wrong == set()
    assert {one.record.event_name for one in records} == RECORDS.keys() - {names.SEND_EXCEPTION}
    for one in played.collector.spans:
        if one.span.name.startswith("process ") and names.ERROR_TYPE in one.attributes:
            assert told[key(one.span)] == [names.PROCESS_EXCEPTION]


def key(span: Span) -> Key:
    return span.trace_id, span.span_id


def records_by_span(played: Played) -> dict[Key, list[str]]:
    told: defaultdict[Key, list[str]] = defaultdict(list)
    for one in played.collector.logs.records:
        told[one.record.trace_id, one.record.span_id].append(one.record.event_name)
    return told
