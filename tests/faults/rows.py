"""The table of faults: each row its fault, and how soon the pipeline is itself again."""

from __future__ import annotations

from tests.faults import (
    broker,
    clocks,
    database,
    disk,
    killing,
    letters,
    pressure,
    readers,
    replicas,
    zombies,
)
from tests.faults.mechanism import MECHANISMS, Mechanism
from tests.faults.scene import Row

ROWS: tuple[Row, ...] = tuple(
    sorted(
        (
            *killing.ROWS,
            *zombies.ROWS,
            *readers.ROWS,
            *broker.ROWS,
            *database.ROWS,
            *disk.ROWS,
            *replicas.ROWS,
            *pressure.ROWS,
            *letters.ROWS,
            *clocks.ROWS,
        ),
        key=lambda row: row.name,
    )
)


def chosen(names: str) -> list[Row | Mechanism]:
    """The rows whose names begin so, with commas between: `F04` is all of F04."""
    wanted = tuple(names.split(","))
    found = [row for row in (*ROWS, *MECHANISMS) if row.name.startswith(wanted)]
    return sorted(found, key=lambda row: row.name)
