"""The rows of the table of faults that `make test` runs, and a short chaos."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults import chaos, report
from tests.faults.rows import ROWS
from tests.faults.scene import Row, play
from tests.modes import native_only
from tests.stack import Stack

pytestmark = [
    pytest.mark.stack,
    pytest.mark.timeout(1_900),
    native_only("Faults are injected by native mode's supervisor."),
]

SEED = 5
CHAOS_S = 60.0
# These run on any machine, beside anything; `make test-faults` holds the limits as they are.
PATIENCE = 4.0
BOUNDED = [replace(row, recovery_s=row.recovery_s * PATIENCE) for row in ROWS if row.is_bounded]


@pytest.mark.parametrize("row", BOUNDED, ids=lambda row: row.name)
def test_nothing_is_lost_and_nothing_doubled(stack: Stack, row: Row, tmp_path: Path) -> None:
    result = play(stack, row, tmp_path)

    assert result.is_green, "\n".join(report.findings(result))


def test_nothing_is_lost_when_faults_come_together(stack: Stack, tmp_path: Path) -> None:
    result = play(stack, chaos.row(SEED, CHAOS_S, acked_min=10_000), tmp_path)

    assert result.is_green, "\n".join(report.findings(result))
