"""The median and the slowest waterfall of a trial, drawn while the stack's Jaeger is there."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from bench.tune.trial import Shown
from tools.trace import jaeger, picture, ranking
from tools.trace.jaeger import Trace
from tools.trace.recent import recent

FOLDER = "waterfalls"
# More would take longer to read than the trial lasts.
_AMONG_MAX = 300


def keep(
    url: str, folder: Path, number: int, since_s: float, until_s: float
) -> tuple[int, Shown | None, Shown | None]:
    """Draw two traces of requests of a window into files; return of how many these are.

    The median is of those that were sampled before anybody knew how long they would take; the
    slowest may have been told afterwards.
    """
    since_us, until_us = round(since_s * 1e6), round(until_s * 1e6)

    def ask(start_us: int, end_us: int, limit: int) -> list[Trace]:
        inside = (max(start_us, since_us), min(end_us, until_us))
        return jaeger.between(url, *inside, limit) if inside[0] < inside[1] else []

    found = recent(ask, time.time_ns() // 1_000, _AMONG_MAX, lambda _said: None)
    found.sort(key=ranking.took_us)
    drawn = [trace for trace in found if not ranking.is_retro(trace)]
    return len(found), _median(drawn, folder, number), _slowest(found, folder, number)


def _median(found: Sequence[Trace], folder: Path, number: int) -> Shown | None:
    return _draw(found[(len(found) - 1) // 2], folder, number, "median") if found else None


def _slowest(found: Sequence[Trace], folder: Path, number: int) -> Shown | None:
    return _draw(found[-1], folder, number, "slowest") if found else None


def _draw(trace: Trace, folder: Path, number: int, which: str) -> Shown:
    path = folder / FOLDER / f"{number:03}-{which}.svg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(picture.svg(trace))
    return Shown(trace.id, ranking.took_us(trace) / 1e3, f"{FOLDER}/{path.name}")
