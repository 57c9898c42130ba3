"""The table of faults: each row its fault, and how soon the pipeline is itself again."""

from __future__ import annotations

from tests.faults import killing
from tests.faults.scene import Row

ROWS: tuple[Row, ...] = (*killing.ROWS,)


def chosen(name: str) -> list[Row]:
    """The rows whose name begins so: `F04` is all of F04."""
    return [row for row in ROWS if row.name.startswith(name)]
