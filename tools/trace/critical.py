"""The critical path of a trace: what each of its moments was spent on, also across Kafka.

Jaeger's algorithm stops where a producer meets a consumer. This one goes on: whoever waits for a
record waits for the stage that wrote it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from libs.tracing import names
from tools.trace import place
from tools.trace.jaeger import Span, Trace
from tools.trace.place import Place

Kind = Literal["work", "queue", "broker", "database", "unexplained"]
KINDS: tuple[Kind, ...] = ("work", "queue", "broker", "database", "unexplained")

# How a span tells of its parts, in the order in which they come.
QUEUE_PARTS: dict[str, str] = {
    "log": names.QUEUE_LOG_SECONDS,
    "fetch": names.QUEUE_FETCH_SECONDS,
    "prefetch": names.QUEUE_PREFETCH_SECONDS,
    "slot": names.QUEUE_SLOT_SECONDS,
}
SEND_PARTS: dict[str, str] = {
    "aggregate": names.SEND_AGGREGATE_SECONDS,
    "buffer": names.SEND_BUFFER_SECONDS,
    "ack": names.SEND_ACK_SECONDS,
}


@dataclass(frozen=True, slots=True)
class Section:
    """A time that was spent on one thing, µs since the epoch; never empty.

    `part` says which of its kind: of a queue `log`, of the database `COPY`. Of what is unexplained,
    `stage`, `part` and `span_id` are empty.
    """

    start_us: int
    end_us: int
    kind: Kind
    stage: str = ""
    part: str = ""
    span_id: str = ""

    @property
    def duration_us(self) -> int:
        """How long it is."""
        return self.end_us - self.start_us


def extent(trace: Trace) -> tuple[int, int]:
    """From when to when a request took (µs); without a root, from the first span to the last."""
    if trace.root is not None:
        return trace.root.start_us, trace.root.end_us
    return min(span.start_us for span in trace.spans), max(span.end_us for span in trace.spans)


def path(trace: Trace) -> list[Section]:
    """Attribute each moment of a trace, in the order of time, without a gap or an overlap."""
    began_us, ended_us = extent(trace)
    walk = _Walk([found for span in trace.spans if (found := place.of(span))], began_us, ended_us)
    here = walk.last()
    while here is not None:
        walk.pass_through(here)
        here = walk.before(here)
    return walk.sections()


class _Walk:
    """Goes back through a trace, from its end to its start, always to what was waited for."""

    def __init__(self, places: Sequence[Place], began_us: int, ended_us: int) -> None:
        self._began_us = began_us
        self._reached_us = ended_us
        self._backwards: list[Section] = []
        self._by_rank: dict[int, list[Place]] = defaultdict(list)
        # Sorted, so that whatever is equal is taken in the same order each time.
        for one in sorted(places, key=_identity):
            self._by_rank[one.rank].append(one)

    def sections(self) -> list[Section]:
        """Give what was passed, in the order of time; what is left is unexplained."""
        self._spend(self._began_us, "unexplained")
        return self._backwards[::-1]

    def last(self, rank_max: int | None = None) -> Place | None:
        """Find what finished last before the moment that is reached, at most at this rank.

        Of what runs at that moment, what ended right then, and of that what is furthest on the way.
        """
        places = [
            one
            for rank, found in self._by_rank.items()
            if rank_max is None or rank <= rank_max
            for one in found
            if one.span.start_us < self._reached_us
        ]
        return max(places, key=self._finish, default=None)

    def before(self, here: Place) -> Place | None:
        """Find what came before; `None` at the start of the trace."""
        if self._reached_us <= self._began_us:
            return None
        earlier = self._by_rank.get(here.rank - 1, [])
        if here.is_inside_work:
            return _work_around(here, earlier) or self.last(here.rank)
        found = _same_record(here, earlier, self._reached_us)
        if found is None and here.role == "process":
            # The span of its queue was lost, but not that of its send.
            found = _same_record(here, self._by_rank.get(here.rank - 2, []), self._reached_us)
        return found or self.last(here.rank)

    def pass_through(self, here: Place) -> None:
        """Spend the time from the start of a span to the moment that is reached."""
        self._spend(here.span.end_us, "unexplained")
        if not here.is_work:
            self._pass_parts(here)
            return
        for inside in self._finished_inside(here):
            self._spend(inside.span.end_us, "work", here.span, _own_part(here, is_before=False))
            self._pass_parts(inside)
        self._spend(here.span.start_us, "work", here.span, _own_part(here, is_before=True))

    def _finish(self, one: Place) -> tuple[int, bool, int, int, int]:
        end_us = one.span.end_us
        ended_us, has_ended = min(end_us, self._reached_us), end_us <= self._reached_us
        return ended_us, has_ended, one.rank, one.span.start_us, _offset(one)

    def _finished_inside(self, work: Place) -> Iterator[Place]:
        """Find what a stage sent and stored one after the other, from the last to the first."""
        inside = [
            one
            for one in self._by_rank.get(work.rank + 1, [])
            if one.is_inside_work and _is_around(work, one) and self._belongs(one, work)
        ]
        for one in sorted(inside, key=lambda one: (one.span.end_us, one.span.start_us))[::-1]:
            # What outlasts the work counts as far as the work goes.
            if min(one.span.end_us, work.span.end_us) <= self._reached_us:
                yield one

    def _belongs(self, inside: Place, work: Place) -> bool:
        # Records that are stored together share the operations of their transaction.
        if inside.role == "store":
            return True
        return _work_around(inside, self._by_rank[work.rank]) is work

    def _pass_parts(self, here: Place) -> None:
        for start_us, kind, part in _parts(here)[::-1]:
            self._spend(start_us, kind, here.span, part)

    def _spend(self, start_us: int, kind: Kind, span: Span | None = None, part: str = "") -> None:
        """Spend the time from a moment to the one that is reached; none if that is earlier."""
        start_us = max(start_us, self._began_us)
        if start_us >= self._reached_us:
            return
        whose = (span.service, part, span.id) if span else ("", "", "")
        self._backwards.append(Section(start_us, self._reached_us, kind, *whose))
        self._reached_us = start_us


def _identity(one: Place) -> tuple[object, ...]:
    span = one.span
    return span.start_us, span.duration_us, span.id, *map(str, one.position)


def _offset(one: Place) -> int:
    """Tell parts of a request apart that were stored together: the last one has ended it."""
    offset = one.position[1]
    return offset if isinstance(offset, int) else -1


def _work_around(inside: Place, works: Sequence[Place]) -> Place | None:
    """Find the work that a send or an operation is part of: of several, what ended when it did."""

    def unlikely(work: Place) -> tuple[int, int, int]:
        apart_us = abs(work.span.end_us - inside.span.end_us)
        return apart_us, -work.span.start_us, -_offset(work)

    return min((work for work in works if _is_around(work, inside)), key=unlikely, default=None)


def _is_around(work: Place, inside: Place) -> bool:
    return work.span.start_us <= inside.span.start_us <= work.span.end_us


def _same_record(here: Place, earlier: Sequence[Place], reached_us: int) -> Place | None:
    """Find the queue of a record that is worked on, or the send of one that was queued.

    By its position in the log, because the clocks of two hosts may differ; by time without one.
    """

    def unlikely(one: Place) -> tuple[bool, int, int]:
        is_guessed = None in one.position or None in here.position
        return is_guessed, abs(one.span.end_us - here.span.start_us), -one.span.start_us

    possible = [
        one
        for one in earlier
        if one.position == here.position
        or (_may_be_same(one.position, here.position) and one.span.start_us <= reached_us)
    ]
    return min(possible, key=unlikely, default=None)


def _may_be_same(one: tuple[object, object], other: tuple[object, object]) -> bool:
    return all(a is None or b is None or a == b for a, b in zip(one, other, strict=True))


def _own_part(work: Place, *, is_before: bool) -> str:
    if work.role == "process":
        return "process"
    return "parse" if is_before else "answer"


def _parts(here: Place) -> list[tuple[int, Kind, str]]:
    """Split a queue, a send or an operation: when each part began, its kind and its name."""
    span = here.span
    if here.role == "store":
        return [(span.start_us, "database", span.name.partition(" ")[0])]
    if here.role == "queue":
        return [(start, "queue", part) for start, part in _cut(span, QUEUE_PARTS, "wait")]
    return [
        (start, "work" if part == "aggregate" else "broker", part)
        for start, part in _cut(span, SEND_PARTS, "send")
    ]


def _cut(span: Span, parts: dict[str, str], undivided: str) -> list[tuple[int, str]]:
    """Cut a span into what it tells of its parts; what it does not tell stays undivided."""
    found: list[tuple[int, str]] = []
    reached_us = span.start_us
    for part, attribute in parts.items():
        found.append((reached_us, part))
        reached_us += max(_microseconds(span.attributes.get(attribute)), 0)
    return [*found, (reached_us, undivided)]


def _microseconds(seconds: object) -> int:
    return round(seconds * 1e6) if isinstance(seconds, int | float) else 0
