"""The door when there is too much, and when it is to end."""

from __future__ import annotations

import asyncio
from collections import Counter

import msgspec
import pytest

from services.ingest import rounds
from tests.unit.services.ingest.test_door import EVENT, HEADERS, house


async def test_a_door_that_is_told_to_stop_is_not_ready_and_still_takes_what_comes() -> None:
    async with house() as here:
        here.stop.set()
        ready = await here.request("GET", "/ready", b"", {})
        live = await here.request("GET", "/live", b"", {})
        answer = await here.post(EVENT)

    assert (ready.status, live.status, answer.status) == (503, 200, 202)
    assert "stopping" in ready.body["reason"]


async def test_past_so_many_requests_in_flight_the_next_is_503_at_once() -> None:
    async with house(requests_in_flight_max=3, linger_s=0.05) as here:
        answers = await asyncio.gather(*(here.post(EVENT) for _ in range(5)))
        after = await here.post(EVENT)

    assert sorted(answer.status for answer in answers) == [202, 202, 202, 503, 503]
    refused = [answer for answer in answers if answer.status == 503]
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert after.status == 202


async def test_past_its_quota_a_tenant_is_429_and_the_other_is_not() -> None:
    async with house(tenant_requests_per_s_max=0.1, tenant_burst_s=20.0) as here:
        answers = [await here.post(EVENT) for _ in range(3)]
        other = await here.post(EVENT, {**HEADERS, "api-key": "other"})

    assert [answer.status for answer in answers] == [202, 202, 429]
    assert int(answers[2].headers["retry-after"]) >= 1
    assert other.status == 202


async def test_a_request_that_the_drain_cannot_wait_for_is_503_and_told_so_in_its_trace() -> None:
    async with house(linger_s=0.05) as here:
        asking = asyncio.create_task(here.post(EVENT))
        await asyncio.sleep(0.01)
        asking.cancel()

        answer = await asking
    assert answer.status == 503
    assert "stopping" in answer.body["error"]
    assert {span.error_type for span in here.spans.spans} == {"503", "timeout"}


async def test_bodies_that_wait_for_their_turn_count_as_buffered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rounds, "ROUND_S", 0.0)
    body = msgspec.json.encode(EVENT) + b" " * 100_000
    async with house(buffered_bytes_max=1_000_000) as here:
        answers = await asyncio.gather(*(here.post(body) for _ in range(50)))
        after = await here.post(body)

    # One is checked at once, nine have room to wait.
    assert Counter(answer.status for answer in answers) == {202: 10, 503: 40}
    assert after.status == 202
    assert here.aggregator.buffered_bytes == 0


async def test_a_request_is_not_counted_both_as_read_and_as_on_its_way() -> None:
    events = [{**EVENT, "name": "n" * 100}] * 100
    async with house() as here:
        await here.post(events)
        (record,) = here.broker.records("events.raw")
    size_bytes = len(record.value or b"")
    async with house(buffered_bytes_max=size_bytes) as here:
        answer = await here.post(events)

    assert len(msgspec.json.encode(events)) > size_bytes / 2
    assert answer.status == 202
