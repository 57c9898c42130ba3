"""What must be stored of an event, worked out anew from the documents and not by the stages' code.

It knows the units of the load and refuses others, so that it can be read at a glance.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from tests.faults.observed import Row

ENTITIES = Path(__file__).parents[2] / "deploy" / "entities.json"
# Unit sent, unit stored, and what one of the first is in the second.
_UNITS = {
    "ms": ("s", 1 / 1_000),
    "percent": ("1", 1 / 100),
    "KiB": ("By", 1_024),
    "PiB": ("By", 2**50),
}
_CLOSE = 1e-12

Entities = dict[str, dict[str, str]]


def entities() -> Entities:
    """Read whom each entity belongs to."""
    return json.loads(ENTITIES.read_text())["entities"]


def can_be_stored(sent: dict[str, Any]) -> bool:
    """Whether the value is a number in its base unit."""
    _, factor = _UNITS[sent["unit"]]
    return math.isfinite(float(sent["value"]) * factor)


def differences(sent: dict[str, Any], row: Row, known: Entities) -> list[str]:
    """Compare a row with the event that it should be; a sentence for each field that differs."""
    unit, factor = _UNITS[sent["unit"]]
    value = float(sent["value"]) * factor
    entity = known.get(sent["attributes"]["entity"], {})
    wanted = {
        # The load's names have one form already.
        "name": sent["name"],
        "unit": unit,
        "attributes": sent["attributes"],
        "owner": entity.get("owner"),
        "team": entity.get("team"),
        "region": entity.get("region"),
        # The load sends none, so the moment of the receipt stands for it.
        "timestamp_us": row.received_us,
    }
    found = [
        f"{field} is {getattr(row, field)!r}, not {value!r}"
        for field, value in wanted.items()
        if getattr(row, field) != value
    ]
    if not math.isclose(row.value, value, rel_tol=_CLOSE):
        found.append(f"value is {row.value!r}, not {value!r}")
    return found
