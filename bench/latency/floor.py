"""Where the time of traces went: each part of their critical paths, along the pipeline."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence

import msgspec

from bench.latency.quantiles import Quantiles, Timed
from bench.watch.table import Window
from libs.tracing import names
from services.topology import PIPELINE
from tools.trace import critical, jaeger, place
from tools.trace.jaeger import Trace

# So short that even all requests of it are on one page.
_SLICE_US = 1_000_000
_PAGE_TRACES = 500
# Each stage exports twice a second.
_WHOLE_AFTER_S = 2.0
_STAGES = (*(hop.stage for hop in PIPELINE), "")
_ORDER = (
    *("parse", "aggregate", *critical.QUEUE_PARTS, "wait", "process"),
    *("buffer", "ack", "send", "answer", *place.STORE_PARTS),
)


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What one part took in the mean of some traces (ms); `kind` as `ttg trace` has it."""

    stage: str
    kind: str
    part: str
    mean_ms: float


class Floor(msgspec.Struct, frozen=True, kw_only=True):
    """What some traces tell: their time to glass, its parts along the pipeline, and the COMMIT.

    The means of the parts add up to the mean of the whole.
    """

    traces: int
    whole: Quantiles
    commit: Quantiles
    parts: list[Part]


async def told(jaeger_url: str, window: Window) -> list[Trace]:
    """Get the whole traces of requests that were received in a window, in no order."""
    await asyncio.sleep(_WHOLE_AFTER_S)
    found: dict[str, Trace] = {}
    start_us, end_us = round(window.first_s * 1e6), round(window.last_s * 1e6)
    for since_us in range(start_us, end_us, _SLICE_US):
        until_us = min(since_us + _SLICE_US, end_us) - 1
        page = await asyncio.to_thread(jaeger.between, jaeger_url, since_us, until_us, _PAGE_TRACES)
        found.update((one.id, one) for one in page if one.is_complete)
    return list(found.values())


def summed(traces: Sequence[Trace]) -> Floor:
    """Sum up some traces that are whole, at least one."""
    spent_us: defaultdict[tuple[str, str, str], int] = defaultdict(int)
    for trace in traces:
        for section in critical.path(trace):
            spent_us[section.stage, section.kind, section.part] += section.duration_us
    parts = [
        Part(stage=stage, kind=kind, part=part, mean_ms=us / len(traces) / 1e3)
        for (stage, kind, part), us in spent_us.items()
    ]
    return Floor(
        traces=len(traces),
        whole=Quantiles.of(Timed(one.root.duration_us) for one in traces if one.root),
        commit=Quantiles.of(Timed(span.duration_us) for one in traces for span in one.spans
                            if span.name == names.COMMIT),
        parts=sorted(parts, key=_place),
    )  # fmt: skip


def together(floors: Sequence[Floor]) -> list[Part]:
    """Take the parts of several together, each weighed by its traces."""
    spent_ms: defaultdict[tuple[str, str, str], float] = defaultdict(float)
    for floor in floors:
        for one in floor.parts:
            spent_ms[one.stage, one.kind, one.part] += one.mean_ms * floor.traces
    traces = sum(floor.traces for floor in floors)
    parts = [
        Part(stage=stage, kind=kind, part=part, mean_ms=ms / traces)
        for (stage, kind, part), ms in spent_ms.items()
    ]
    return sorted(parts, key=_place)


def _place(one: Part) -> tuple[int, int]:
    part = _ORDER.index(one.part) if one.part in _ORDER else len(_ORDER)
    return _STAGES.index(one.stage), part
