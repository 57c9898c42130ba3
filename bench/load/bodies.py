"""Requests that are written once and sent any number of times, each time with new ids."""

from __future__ import annotations

from collections.abc import Iterator

from tools.load.plan import Plan

# An id of a plan ends with the number of its event; what is before that is the plan's own.
_NUMBER_DIGITS = 12


def endless(events: int, batch: int) -> Iterator[bytes]:
    """Yield requests of `batch` events, of which no two have the same id; `events` are written.

    All of these are sent before the first comes again, with the ids of another plan.
    """
    first = Plan.of(rate_events_per_s=events, duration_s=1, batch=batch)
    bodies = [first.body(request) for request in range(first.requests)]
    mark = _mark(first)
    while True:
        own = _mark(Plan.of(rate_events_per_s=events, duration_s=1, batch=batch))
        for body in bodies:
            # A tenth of a microsecond an event, where writing it anew takes several.
            yield body.replace(mark, own)


def _mark(plan: Plan) -> bytes:
    return str(plan.run_id)[:-_NUMBER_DIGITS].encode()
