from __future__ import annotations

import pytest

from libs import events
from libs.events import DecoratedBatch, NormalBatch, NormalEvent, Origin, Scalar
from services.decorate.rules import Entities, Entity, decorate

ID = "0190b5c8-6b7e-7c3a-9d3e-2f1a5b6c7d8e"
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ENTITIES = Entities(
    version=1,
    entities={
        "checkout": Entity(owner="amelia", team="payments", region="eu"),
        "db-1": Entity(team="platform"),
    },
)


def batch_of(*attributes: dict[str, Scalar]) -> NormalBatch:
    made = [
        NormalEvent(ID, "cpu", 0.5, "2026-01-02T03:04:05.000000Z", "1", each) for each in attributes
    ]
    return NormalBatch(
        origins=[Origin("default", 1, 0, len(made), len(made), TRACEPARENT)], events=made
    )


@pytest.mark.parametrize("attribute", ["entity", "service", "service.name", "host"])
def test_an_event_is_given_whom_its_entity_belongs_to(attribute: str) -> None:
    (event,) = decorate(batch_of({attribute: "checkout"}), ENTITIES).events

    assert (event.owner, event.team, event.region) == ("amelia", "payments", "eu")


def test_what_is_not_known_of_an_entity_stays_open() -> None:
    (event,) = decorate(batch_of({"host": "db-1"}), ENTITIES).events

    assert (event.owner, event.team, event.region) == (None, "platform", None)


@pytest.mark.parametrize(
    "attributes", [{}, {"service": "nobody"}, {"service": ""}, {"service": 7}, {"other": "db-1"}]
)
def test_an_event_of_no_known_entity_goes_on_without(attributes: dict[str, Scalar]) -> None:
    (event,) = decorate(batch_of(attributes), ENTITIES).events

    assert (event.owner, event.team, event.region) == (None, None, None)


def test_the_first_attribute_that_names_an_entity_decides() -> None:
    made = decorate(
        batch_of(
            {"host": "db-1", "service": "checkout"},
            {"host": "db-1", "service": "nobody"},
            {"host": "db-1", "service": None},
        ),
        ENTITIES,
    ).events

    assert [event.team for event in made] == ["payments", None, "platform"]


def test_nothing_else_of_a_batch_changes() -> None:
    batch = batch_of({"service": "checkout"}, {})
    decorated = decorate(batch, ENTITIES)
    value = events.encode(decorated)

    assert decorated.origins == batch.origins
    assert events.decode(NormalBatch, value) == batch
    assert events.decode(DecoratedBatch, value) == decorated
