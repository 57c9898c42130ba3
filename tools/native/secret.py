"""Random secrets of a stack: made once, readable by their owner only."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

_BYTES = 24


def of(folder: Path, name: str) -> tuple[str, bool]:
    """Return the secret `name`, and whether it was made just now."""
    path = folder / name
    try:
        return path.read_text().strip(), False
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        value = secrets.token_urlsafe(_BYTES)
        write(path, value + "\n")
        return value, True


def write(path: Path, text: str) -> None:
    """Write `text` whole or not at all; nobody but the owner can read it."""
    handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        Path(unfinished).replace(path)
    except OSError:
        Path(unfinished).unlink(missing_ok=True)
        raise
