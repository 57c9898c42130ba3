"""What some tests want of the way their stack is run, which `MODE` says."""

from __future__ import annotations

import os

import pytest


def native_only(why: str) -> pytest.MarkDecorator:
    """Skip a test where stacks are composed; `why` is a sentence on what it reaches for."""
    return pytest.mark.skipif(
        os.environ.get("MODE") == "compose", reason=f"MODE=compose is set. {why}"
    )
