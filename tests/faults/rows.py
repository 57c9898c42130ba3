"""The table of faults: each row its fault, and how soon the pipeline is itself again."""

from __future__ import annotations

from tests.faults import broker, database, killing, pressure, zombies
from tests.faults.scene import Row

ROWS: tuple[Row, ...] = tuple(
    sorted(
        (*killing.ROWS, *zombies.ROWS, *broker.ROWS, *database.ROWS, *pressure.ROWS),
        key=lambda row: row.name,
    )
)


def chosen(names: str) -> list[Row]:
    """The rows whose names begin so, with commas between: `F04` is all of F04."""
    return [row for row in ROWS if row.name.startswith(tuple(names.split(",")))]
