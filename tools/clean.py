"""`ttg clean`: stops the stack and removes its data."""

from __future__ import annotations

import shutil

from tools import mode
from tools.errors import OperatorError
from tools.native import settings as native_settings, stack
from tools.up import alone, take_down


def clean() -> None:
    """Stop the pipeline and remove its data. The cache of built tools stays."""
    settings = native_settings.current()
    if not settings.state.exists():
        print("There is nothing to remove.")  # noqa: T201
        return
    if not stack.is_ours(settings):
        raise OperatorError(
            f"{settings.state} was not made by `make up`, so it stays; "
            "set TTG_STATE_DIR to the folder you mean."
        )
    with alone(settings):
        take_down(settings)
        for each in mode.every(settings):
            each.forget()
        shutil.rmtree(settings.state)
    print(f"Removed {settings.state}.")  # noqa: T201
