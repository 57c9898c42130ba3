"""The application, called as the HTTP server calls it, over events in memory."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr

from libs.errors import Unavailable
from libs.keys import read_keys
from services.glass import api
from services.glass.query import Question, SeenEvent

ID = "0190b5c8-6b7e-7c3a-9d3e-2f1a5b6c7d8e"
NOW = "2026-01-02T03:04:05.000000Z"


def seen(tenant: str) -> SeenEvent:
    return SeenEvent(
        tenant=tenant,
        event_id=ID,
        name="cpu",
        value=0.5,
        unit=None,
        timestamp=NOW,
        attributes=msgspec.Raw(b'{"host": "a"}'),
        owner=None,
        team="payments",
        region=None,
        trace_id="a" * 32,
        received_at=NOW,
        stored_at=NOW,
    )


@dataclass
class Kept:
    """Events in memory; `away` says why they cannot be had."""

    events: list[SeenEvent] = field(default_factory=lambda: [seen("default"), seen("acme")])
    away: str = ""

    async def find(self, asked: Question, tenant: str | None) -> list[SeenEvent]:
        await self.check()
        return [event for event in self.events if tenant in (None, event.tenant)]

    async def check(self) -> None:
        if self.away:
            raise Unavailable(self.away)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: dict[str, Any]


async def ask(
    path: str,
    kept: Kept | None = None,
    *,
    keys: str = "",
    key: str | None = None,
    method: str = "GET",
) -> Answer:
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    route, _, parameters = path.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": route,
        "query_string": parameters.encode(),
        "headers": [(b"api-key", key.encode("latin-1"))] if key is not None else [],
    }
    await api.application(kept or Kept(), read_keys(SecretStr(keys)))(scope, receive, send)
    start, end = sent
    headers = {name.decode(): text.decode() for name, text in start["headers"]}
    return Answer(start["status"], headers, msgspec.json.decode(end["body"]))


async def test_an_event_is_answered_whole() -> None:
    answer = await ask("/v1/events?name=cpu", Kept([seen("default")]))

    assert answer.status == 200
    assert answer.body == {
        "events": [
            {
                "tenant": "default",
                "event_id": ID,
                "name": "cpu",
                "value": 0.5,
                "unit": None,
                "timestamp": NOW,
                "attributes": {"host": "a"},
                "owner": None,
                "team": "payments",
                "region": None,
                "trace_id": "a" * 32,
                "received_at": NOW,
                "stored_at": NOW,
            }
        ]
    }


async def test_an_answer_is_json_that_is_neither_kept_nor_run() -> None:
    headers = (await ask("/v1/events?name=cpu")).headers

    assert headers["content-type"] == "application/json"
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'none'")


async def test_a_question_that_makes_no_sense_is_400() -> None:
    answer = await ask("/v1/events")

    assert (answer.status, answer.body) == (400, {"error": "give event_id, or name"})


async def test_a_store_that_is_away_is_503_and_says_when_to_come_back() -> None:
    for path in ("/v1/events?name=cpu", "/ready"):
        answer = await ask(path, Kept(away="the table event is not there yet"))

        assert (answer.status, answer.headers["retry-after"]) == (503, "2")
        assert answer.body == {"error": "the table event is not there yet"}


async def test_a_process_whose_store_is_away_lives() -> None:
    assert (await ask("/live", Kept(away="away"))).status == 200
    assert (await ask("/ready")).status == 200


async def test_without_keys_everybody_sees_every_tenant() -> None:
    assert len((await ask("/v1/events?name=cpu")).body["events"]) == 2


async def test_a_key_sees_its_own_tenant() -> None:
    answer = await ask("/v1/events?name=cpu", keys="acme=secret", key="secret")

    assert [event["tenant"] for event in answer.body["events"]] == ["acme"]


@pytest.mark.parametrize("key", [None, "", "wrong", "sécret", "s" * 100_000])
async def test_without_its_key_nothing_is_seen(key: str | None) -> None:
    answer = await ask("/v1/events?name=cpu", keys="acme=secret", key=key)

    assert answer.status == 401
    assert list(answer.body) == ["error"]


async def test_another_address_is_404_and_another_method_405() -> None:
    assert (await ask("/v1/other")).status == 404
    answer = await ask("/v1/events?name=cpu", method="POST")
    assert (answer.status, "GET" in answer.headers["allow"]) == (405, True)
