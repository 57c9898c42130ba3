"""What is looked at before a soak begins."""

from __future__ import annotations

import pytest

from bench.soak.command import Options, check_disk
from tools.errors import OperatorError


def test_a_load_that_the_disk_may_not_hold_is_not_begun() -> None:
    with pytest.raises(OperatorError, match="choose fewer MINUTES"):
        check_disk(Options(minutes=1_440), peak_per_s=1e12)
