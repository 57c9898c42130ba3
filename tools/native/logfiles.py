"""The log files of a stack: their names, their last lines, and what to show of a line."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tools.native.settings import Settings

# Enough for the last lines of any log, without reading all of a large file.
TAIL_BYTES = 262_144
_ROTATED = re.compile(r"-\d{4}-\d{2}-\d{2}T")


def files(settings: Settings, stage: str = "") -> list[Path]:
    """Return the current log files of `stage`, or of all processes, by name."""
    pattern = re.compile(rf"{re.escape(stage) or '[a-z]+'}(-\d+)?\.log")
    found = [path for path in settings.logs.glob("*.log") if pattern.fullmatch(path.name)]
    return sorted(path for path in found if not _ROTATED.search(path.name))


def tail(settings: Settings, stage: str, lines: int) -> str:
    """Return the last `lines` of the newest log of `stage`, as they are shown."""
    newest = max(files(settings, stage), key=lambda path: path.stat().st_mtime, default=None)
    if newest is None:
        return "(no log)"
    return "\n".join(f"  {pretty(line)}" for line in last(newest, lines)) or "(an empty log)"


def last(path: Path, lines: int) -> list[str]:
    """Return at most the last `lines` of a file."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(size - TAIL_BYTES, 0))
        return file.read().decode(errors="replace").splitlines()[-lines:]


def pretty(line: str) -> str:
    """Return a stage's JSON line as text; another program's line as it is."""
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    if not isinstance(entry, dict) or "event" not in entry:
        return line
    at = str(entry.pop("timestamp", ""))[11:23]
    level, event = str(entry.pop("level", "")), entry.pop("event")
    who = f"{entry.pop('stage', '')}-{entry.pop('replica', '')}".strip("-")
    rest = " ".join(f"{name}={value}" for name, value in entry.items())
    return " ".join(part for part in (at, level, who, str(event), rest) if part)
