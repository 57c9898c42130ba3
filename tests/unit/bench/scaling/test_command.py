"""What is looked at before scaling is measured."""

from __future__ import annotations

import pytest

from bench.scaling.command import Options, check_disk
from tools.errors import OperatorError


def test_what_the_disk_may_not_hold_is_not_begun() -> None:
    check_disk(Options(events=1_000, events_max=0))
    with pytest.raises(OperatorError, match="choose a smaller --events-max"):
        check_disk(Options(events=5_000_000, events_max=10**14))
