"""Says of every event whom it concerns: owner, team and region of its entity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from libs.events import DecoratedBatch, DecoratedEvent, NormalBatch, Scalar

# The first of these that an event has names its entity.
ENTITY_ATTRIBUTES = ("entity", "service", "service.name", "host")


# PostgreSQL holds no U+0000 in text.
_Text = Annotated[str, Meta(max_length=255, pattern=r"^[^\x00]*$")]


class Entity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom a service or a host belongs to."""

    owner: _Text | None = None
    team: _Text | None = None
    region: _Text | None = None


class Entities(msgspec.Struct, frozen=True):
    """All entities by name, as they were at one version."""

    version: int
    entities: Mapping[str, Entity]


_UNKNOWN = Entity()


def decorate(batch: NormalBatch, entities: Entities) -> DecoratedBatch:
    """Add owner, team and region; an event whose entity is not known goes on without them."""
    known = entities.entities
    events: list[DecoratedEvent] = []
    for event in batch.events:
        entity = known.get(_entity_name(event.attributes), _UNKNOWN)
        events.append(
            DecoratedEvent(
                event.event_id,
                event.name,
                event.value,
                event.timestamp,
                event.unit,
                event.attributes,
                entity.owner,
                entity.team,
                entity.region,
            )
        )
    return DecoratedBatch(origins=batch.origins, events=events)


def _entity_name(attributes: Mapping[str, Scalar]) -> str:
    for key in ENTITY_ATTRIBUTES:
        name = attributes.get(key)
        if isinstance(name, str) and name:
            return name
    return ""
