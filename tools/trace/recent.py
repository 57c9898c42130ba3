"""The newest traces that Jaeger has, thousands of them, in pages."""

from __future__ import annotations

from collections.abc import Callable

from tools.trace.jaeger import Trace

# A page is some megabytes of JSON.
PAGE_TRACES = 200
# What Jaeger itself looks back when it is not told how far.
LOOK_BACK_US = 48 * 3_600 * 1_000_000
_FIRST_WINDOW_US = 1_000_000
_STEP = 4

# From when to when a trace began (µs, both included), and how many traces at most.
Ask = Callable[[int, int, int], list[Trace]]


def recent(ask: Ask, now_us: int, among: int, show: Callable[[str], None]) -> list[Trace]:
    """Get the newest traces that had ended by now, at most `among`, the newest first.

    It asks for one window of time after the other, going back, because Jaeger promises no order.
    A window that holds a full page may hold more, so it is asked for again, narrower.
    """
    found: dict[str, Trace] = {}
    end_us, width_us = now_us, _FIRST_WINDOW_US
    oldest_us = now_us - LOOK_BACK_US
    while len(found) < among and end_us >= oldest_us:
        start_us = max(end_us - width_us + 1, oldest_us)
        page = ask(start_us, end_us, PAGE_TRACES)
        if len(page) >= PAGE_TRACES and start_us < end_us:
            width_us = max((end_us - start_us + 1) // _STEP, 1)
            continue
        found.update((trace.id, trace) for trace in page if _had_ended(trace, now_us))
        show(f"{len(found):,} of up to {among:,}")
        end_us = start_us - 1
        if len(page) < PAGE_TRACES // _STEP:
            width_us *= _STEP
    return sorted(found.values(), key=_began, reverse=True)[:among]


def _had_ended(trace: Trace, now_us: int) -> bool:
    return trace.root is not None and trace.root.end_us <= now_us


def _began(trace: Trace) -> tuple[int, str]:
    assert trace.root is not None
    return trace.root.start_us, trace.id
