"""`ttg down`: stops the stack; its data stays."""

from __future__ import annotations

from tools.native import settings as native_settings
from tools.progress import Step
from tools.up import alone, take_down


def down() -> None:
    """Stop the pipeline; its data stays. To stop what is not up is no error."""
    settings = native_settings.current()
    if not settings.state.is_dir():
        print("Nothing was up.")  # noqa: T201
        return
    with alone(settings), Step("Stopping"):
        was_up = take_down(settings)
    print("The stack is down; its data stays." if was_up else "Nothing was up.")  # noqa: T201
