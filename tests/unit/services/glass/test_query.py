from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from libs.errors import Rejected, Unavailable
from services.glass import query
from services.glass.query import Question, question
from services.glass.settings import Settings

ID = "0190b5c8-6b7e-7c3a-9d3e-2f1a5b6c7d8e"


def test_one_event_is_asked_for_by_its_id() -> None:
    assert question([("event_id", ID.upper())]) == Question(event_id=UUID(ID))


def test_the_newest_events_of_a_name_are_asked_for() -> None:
    asked = question([("name", "CPU Usage"), ("since", "2026-01-02T03:04:05Z"), ("limit", "7")])

    assert asked == Question(
        name="cpu_usage", since=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), limit=7
    )


def test_without_more_a_hundred_events_since_ever_are_asked_for() -> None:
    asked = question([("name", "cpu")])

    assert (asked.limit, asked.since) == (100, datetime(1970, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("since", "seconds"),
    [("1767323045", 1767323045), ("1767323045.25", 1767323045.25), ("0", 0)],
)
def test_since_may_be_seconds(since: str, seconds: float) -> None:
    assert question([("name", "cpu"), ("since", since)]).since.timestamp() == seconds


def test_a_plus_that_became_a_space_is_a_plus() -> None:
    asked = question([("name", "cpu"), ("since", "2026-01-02T03:04:05 01:00")])

    assert asked.since == datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({}, "give event_id, or name"),
        ({"limit": "1"}, "give event_id, or name"),
        ({"event_id": "x"}, "event_id must be a UUID"),
        ({"event_id": ID.replace("-", "")}, "event_id must be a UUID"),
        ({"event_id": ID, "name": "cpu"}, "event_id stands alone"),
        ({"name": ""}, "name must be"),
        ({"name": " . "}, "name must be"),
        ({"name": "a\0"}, "name must be"),
        ({"name": "a" * 513}, "name must be"),
        ({"name": "a", "limit": ""}, "limit must be a number from 1 to 1000"),
        ({"name": "a", "limit": "0"}, "limit must be"),
        ({"name": "a", "limit": "-1"}, "limit must be"),
        ({"name": "a", "limit": "1001"}, "limit must be"),
        ({"name": "a", "limit": "9" * 5_000}, "limit must be"),
        ({"name": "a", "limit": "²"}, "limit must be"),
        ({"name": "a", "since": ""}, "since must be RFC 3339"),
        ({"name": "a", "since": "yesterday"}, "since must be RFC 3339"),
        ({"name": "a", "since": "2026-01-02T03:04:05"}, "since must be RFC 3339"),
        ({"name": "a", "since": "-1"}, "since must be RFC 3339"),
        ({"name": "a", "since": "1767323045000"}, "since must be RFC 3339"),
        ({"name": "a", "since": "1969-01-01T00:00:00Z"}, "since must lie in the years"),
        ({"name": "a", "colour": "red"}, "there is no parameter 'colour'"),
    ],
)
def test_what_cannot_be_asked_is_rejected_with_the_reason(
    parameters: dict[str, str], reason: str
) -> None:
    with pytest.raises(Rejected) as caught:
        question(list(parameters.items()))

    assert reason in caught.value.reason


def test_a_parameter_stands_once() -> None:
    with pytest.raises(Rejected, match="twice"):
        question([("name", "a"), ("name", "b")])


async def test_a_database_that_is_away_is_unavailable() -> None:
    settings = Settings.model_validate({"DATABASE_URL": "postgresql://ttg@127.0.0.1:1/ttg"})

    async with query.opened(settings) as events:
        with pytest.raises(Unavailable, match="PostgreSQL cannot be asked: ConnectionRefused"):
            await events.check()
