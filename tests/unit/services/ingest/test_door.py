"""The door, called as the HTTP server calls it, in front of the in-memory twin of Kafka."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from libs import tracing
from libs.events import RawBatch, decode
from libs.kafka.memory import MemoryBroker
from libs.tracing import SamplingSettings
from services.ingest.aggregate import Aggregator
from services.ingest.door import Door
from services.ingest.settings import Settings
from tests.emitted import Emitted

EVENT = {"name": "checkout.latency", "value": 12.5, "unit": "ms"}
HEADERS = {"api-key": "secret", "content-type": "application/json"}


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class House:
    """A door, the broker behind it and the spans it emitted."""

    door: Door
    aggregator: Aggregator
    broker: MemoryBroker
    spans: Emitted
    stop: asyncio.Event

    async def post(
        self, body: object, headers: dict[str, str] | None = None, path: str = "/v1/events"
    ) -> Answer:
        encoded = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return await self.request("POST", path, encoded, HEADERS if headers is None else headers)

    async def request(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
        }
        await self.door(scope, receive, send)
        start, end = sent
        answered = {name.decode(): text.decode() for name, text in start["headers"]}
        return Answer(start["status"], answered, msgspec.json.decode(end["body"]))

    def batches(self) -> list[RawBatch]:
        return [decode(RawBatch, r.value) for r in self.broker.records("events.raw")]


@asynccontextmanager
async def house(**settings: object) -> AsyncGenerator[House]:
    """A house whose settings differ from the defaults where told."""
    chosen = Settings.model_validate(
        {"INGEST_API_KEYS": "default=secret,acme=other", "linger_s": 0.002, **settings}
    )
    broker = MemoryBroker()
    spans = Emitted()
    ids = (f"00000000-0000-7000-8000-{n:012x}" for n in itertools.count())
    async with broker.producer() as producer:
        stop = asyncio.Event()
        aggregator = Aggregator(producer, "events.raw", 12, chosen, Emitted(), stop)
        sampler = tracing.Sampler(chosen.sampling, spans.policy, time.monotonic, chosen.trusted)
        door = Door(aggregator, sampler, spans, chosen, lambda: next(ids))
        yield House(door, aggregator, broker, spans, stop)
        await aggregator.drain()


async def test_an_accepted_event_is_in_the_log_before_the_answer() -> None:
    async with house() as here:
        answer = await here.post(EVENT)

        (batch,) = here.batches()
    assert answer.status == 202
    assert answer.body["accepted"] == 1
    assert answer.body["sampled"] is True
    assert batch.origins[0].trace_id == answer.body["trace_id"]
    assert batch.origins[0].tenant == "default"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (msgspec.json.encode(EVENT), "application/json"),
        (msgspec.json.encode([EVENT, EVENT]), "application/json; charset=utf-8"),
        (msgspec.json.encode(EVENT) + b"\n" + msgspec.json.encode(EVENT), "application/x-ndjson"),
    ],
)
async def test_an_object_a_list_and_lines_are_read(body: bytes, content_type: str) -> None:
    async with house() as here:
        answer = await here.post(body, {**HEADERS, "content-type": content_type})

    assert answer.status == 202


async def test_requests_of_one_moment_share_a_record_and_keep_their_own_origin() -> None:
    async with house() as here:
        answers = await asyncio.gather(*(here.post([EVENT] * n) for n in (1, 2, 3)))

        (batch,) = here.batches()
    assert [origin.count for origin in batch.origins] == [1, 2, 3]
    assert [origin.trace_id for origin in batch.origins] == [a.body["trace_id"] for a in answers]
    assert all(origin.is_last for origin in batch.origins)


async def test_a_large_request_is_cut_into_parts_in_order_in_one_partition() -> None:
    async with house(record_events_max=10) as here:
        names = [{"name": f"n{i}", "value": i} for i in range(25)]

        answer = await here.post(names)

        records = here.broker.records("events.raw")
        batches = here.batches()
    assert answer.body["accepted"] == 25
    assert len({record.partition for record in records}) == 1
    assert [event.name for b in batches for event in b.events] == [f"n{i}" for i in range(25)]
    assert [b.origins[0].is_last for b in batches] == [False, False, True]
    assert {b.origins[0].total for b in batches} == {25}


async def test_requests_with_one_ordering_key_stay_in_one_partition_in_order() -> None:
    async with house(linger_s=0.0) as here:
        for number in range(20):
            event = {"name": f"n{number}", "value": 1}
            await here.post(event, {**HEADERS, "ordering-key": "cart-7"})

        records = here.broker.records("events.raw")
        names = [event.name for batch in here.batches() for event in batch.events]
    assert len({record.partition for record in records}) == 1
    assert names == [f"n{number}" for number in range(20)]


async def test_records_without_a_key_go_round_the_partitions() -> None:
    async with house(linger_s=0.0) as here:
        for _ in range(12):
            await here.post(EVENT)

        partitions = {record.partition for record in here.broker.records("events.raw")}
    assert len(partitions) == 12


async def test_a_sampled_request_emits_its_server_and_send_spans() -> None:
    async with house() as here:
        await here.post(EVENT)

    assert [span.name for span in here.spans.spans] == ["POST /v1/events", "send events.raw"]


@pytest.mark.parametrize("headers", [{}, {"api-key": "wrong"}, {"api-key": ""}])
async def test_without_a_known_key_nothing_comes_in(headers: dict[str, str]) -> None:
    async with house() as here:
        answer = await here.post(EVENT, {"content-type": "application/json", **headers})

        assert here.batches() == []
    assert answer.status == 401


@pytest.mark.parametrize("body", [b"", b"{", b"nope", b"null", b"7", b"\xff\xfe", b"[" * 100_000])
async def test_a_body_that_is_no_event_is_malformed(body: bytes) -> None:
    async with house() as here:
        answer = await here.post(body)

        assert here.batches() == []
    assert answer.status == 400
    assert answer.body["error"]


async def test_every_violation_is_named_and_nothing_is_kept() -> None:
    async with house() as here:
        answer = await here.post([EVENT, {"value": "x"}, {"name": "a", "value": 1, "colour": 2}])

        assert here.batches() == []
    assert answer.status == 422
    named = {(v["index"], v["field"]) for v in answer.body["violations"]}
    assert named == {(1, "name"), (1, "value"), (2, "colour")}
    assert all(v["reason"] for v in answer.body["violations"])


async def test_a_list_without_events_is_accepted_and_writes_nothing() -> None:
    async with house() as here:
        answer = await here.post([])

        assert here.batches() == []
    assert (answer.status, answer.body["accepted"]) == (202, 0)
    assert answer.body["sampled"] is False


async def test_what_is_too_large_is_refused_as_too_large() -> None:
    async with house(body_bytes_max=2_000, record_bytes_max=1_024) as here:
        too_long = await here.post([EVENT] * 200)
        too_wide = await here.post({**EVENT, "attributes": {"a": "x" * 1_500}})

        assert here.batches() == []
    assert (too_long.status, too_wide.status) == (413, 413)


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": ""},
        {"content-type": "application/json; charset=latin1"},
        {"content-encoding": "gzip"},
    ],
)
async def test_a_type_that_is_not_read_here_is_unsupported(headers: dict[str, str]) -> None:
    async with house() as here:
        answer = await here.post(EVENT, {**HEADERS, **headers})

    assert answer.status == 415


async def test_while_kafka_is_away_the_answer_is_503_and_says_when_to_come_back() -> None:
    async with house() as here:
        here.broker.is_away = True

        answer = await here.post(EVENT)

    assert answer.status == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert "trace_id" in answer.body
    assert {span.error_type for span in here.spans.spans} == {"503", "timeout"}


async def test_a_full_buffer_is_503_at_once() -> None:
    async with house(buffered_bytes_max=1_024) as here:
        answer = await here.post([EVENT] * 100)

        assert here.aggregator.buffered_bytes == 0
    assert answer.status == 503


async def test_other_ways_in_are_shown_the_right_one() -> None:
    async with house() as here:
        lost = await here.request("GET", "/", b"", {})
        wrong_method = await here.request("GET", "/v1/events", b"", {})
        ready = await here.request("GET", "/ready", b"", {})

    assert "/v1/events" in lost.body["error"]
    assert (lost.status, wrong_method.status, ready.status) == (404, 405, 200)
    assert wrong_method.headers["allow"] == "POST"


async def test_every_answer_names_the_request() -> None:
    async with house() as here:
        answers = [
            await here.post(EVENT),
            await here.post(EVENT, {}),
            await here.post(b"{broken"),
            await here.post({"name": ""}),
            await here.request("GET", "/v1/events", b"", HEADERS),
        ]

    assert [answer.status for answer in answers] == [202, 401, 400, 422, 405]
    assert len({answer.body["trace_id"] for answer in answers}) == 5
    assert all(len(answer.body["trace_id"]) == 32 for answer in answers)


async def test_a_head_that_asks_for_another_protocol_is_told_which_one_is_spoken() -> None:
    async with house() as here:
        answer = await here.post(EVENT, {**HEADERS, "upgrade": "h2c"})

    assert answer.status == 400
    assert "HTTP/1.1" in answer.body["error"]
    assert answer.headers["connection"] == "close"


async def test_too_many_bad_events_are_counted_and_not_looked_at() -> None:
    async with house(request_events_max=10) as here:
        answer = await here.post([{}] * 11)

    assert answer.status == 413


async def test_what_is_being_read_counts_as_buffered() -> None:
    async with house(buffered_bytes_max=1_024, body_bytes_max=10_000) as here:
        answer = await here.post(b" " * 2_000)

    assert answer.status == 503
    assert here.aggregator.buffered_bytes == 0


CLIENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_what_never_left_the_door_ends_there_with_a_failed_root() -> None:
    async with house(record_bytes_max=900_000) as here:
        here.broker.record_bytes_max = 10

        answer = await here.post(EVENT)

    assert answer.status == 503
    (root,) = here.spans.roots()
    assert root.error_type == "not_sent"
    assert here.spans.named("send events.raw").error_type == "not_sent"


async def test_a_trusted_tenants_trace_goes_on_here() -> None:
    async with house(trusted_tenants="acme, other") as here:
        headers = {**HEADERS, "api-key": "other", "traceparent": CLIENT, "tracestate": "a=1,ttg=x"}
        answer = await here.post(EVENT, headers)
        (batch,) = here.batches()

    assert answer.body == {"accepted": 1, "trace_id": CLIENT[3:35], "sampled": True}
    (origin,) = batch.origins
    assert origin.traceparent[3:35] == CLIENT[3:35]
    ours, theirs = origin.tracestate.split(",")
    assert ours.endswith("-00f067aa0ba902b7")
    assert theirs == "a=1"
    assert here.spans.named("POST /v1/events").links == ()


async def test_a_trusted_tenant_that_does_not_sample_is_not_sampled() -> None:
    async with house(trusted_tenants="default") as here:
        answer = await here.post(EVENT, {**HEADERS, "traceparent": CLIENT[:-2] + "00"})

    assert answer.body["sampled"] is False
    assert answer.body["trace_id"] == CLIENT[3:35]


async def test_a_trusted_tenant_has_so_many_traces_a_second() -> None:
    sampling = SamplingSettings(TRACE_TRUSTED_PER_SECOND_MAX=3)  # type: ignore[call-arg]
    async with house(trusted_tenants="default", sampling=sampling) as here:
        answers = [await here.post(EVENT, {**HEADERS, "traceparent": CLIENT}) for _ in range(9)]

    assert [answer.body["sampled"] for answer in answers].count(True) == 3


async def test_what_a_client_chose_does_not_decide_what_is_sampled() -> None:
    sampling = SamplingSettings(OTEL_TRACES_SAMPLER_ARG=0)  # type: ignore[call-arg]
    async with house(sampling=sampling) as here:
        answer = await here.post(EVENT, {**HEADERS, "traceparent": CLIENT})

    assert answer.body["sampled"] is False
    assert answer.body["trace_id"] != CLIENT[3:35]
