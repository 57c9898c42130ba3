"""`ttg down`: stops the stack; its data stays."""

from __future__ import annotations

from tools.native import settings as native_settings, stack
from tools.up import alone, take_down


def down() -> None:
    """Stop the pipeline; its data stays. To stop what is not up is no error."""
    settings = native_settings.current()
    was_up = False
    if stack.is_ours(settings):
        with alone(settings):
            was_up = take_down(settings)
    print("The stack is down; its data stays." if was_up else "Nothing was up.")  # noqa: T201
