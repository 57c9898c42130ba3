"""How waterfalls end at the last stage: each request once, sampled or rebuilt, with one root."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

from libs.tracing.carrier import Origin
from libs.tracing.context import is_sampled
from libs.tracing.facts import Stored
from libs.tracing.glass import Ending, report_root, report_store
from libs.tracing.hop import Leg, open_leg, report_read
from libs.tracing.retro import Arrival, Rebuilding, can_rebuild, rebuild
from libs.tracing.slowest import Slowest
from libs.tracing.spans import Emitter

# More large requests at once than this: the oldest is forgotten, and its trace says less.
_OPEN_REQUESTS_MAX = 4_096
# Ends that are remembered, so that a record that is delivered again does not end twice.
_ENDED_MAX = 16_384


class Told(NamedTuple):
    """What became of the events of one part of a request, or of all of it."""

    stored: int = 0
    already_there: int = 0
    dead_lettered: int = 0


@dataclass(slots=True)
class Part:
    """One part of a request whose events are in the store; mostly the only one.

    `name` tells it from other parts, and is the same at each delivery. `is_repeat` says that an
    earlier delivery had stored all of it, and has ended its trace.
    """

    name: str
    arrival: Arrival
    stored: Stored
    told: Told
    is_repeat: bool


@dataclass(slots=True)
class _Open:
    """A request in parts that have not all come."""

    told: dict[str, Told] = field(default_factory=dict[str, Told])
    unsampled: dict[str, Part] = field(default_factory=dict[str, Part])


class Endings:
    """Ends the waterfalls of one process."""

    def __init__(self, emitter: Emitter) -> None:
        self._emitter = emitter
        self._policy = emitter.policy
        self._slowest: Slowest[tuple[list[Part], Told]] = Slowest(
            emitter.policy.settings.retro_slowest_per_second
        )
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._ended: OrderedDict[tuple[str, str], None] = OrderedDict()

    def concerns(self, origin: Origin, committed_us: int) -> bool:
        """Say whether there is anything to tell of an origin; for most unsampled ones there is not.

        Cheap, because it is asked of each.
        """
        return self._policy.is_on and (
            is_sampled(origin.traceparent)
            or not origin.is_last
            or _request_of(origin) in self._open
            or (origin.dead > 0 and self._policy.settings.retro_failed)
            or self._policy.is_slow(committed_us - origin.received_us)
            or self._slowest.may_be(committed_us - origin.received_us)
        )

    def report(self, part: Part) -> None:
        """Emit what a part of a request ends with; its last part ends the request."""
        origin = part.arrival.origin
        told = self._add(part)
        if is_sampled(origin.traceparent):
            self._report_sampled(part, told)
        elif origin.is_last and self._is_first(part):
            self._consider(part, told)
        if origin.is_last:
            self._open.pop(_request_of(origin), None)

    def flush(self, *, is_end: bool = False) -> None:
        """Rebuild the slowest of a second that is over; at the end of the process, of this one."""
        for parts, told in self._slowest.take(is_end=is_end):
            self._rebuild(parts, told)

    def _add(self, part: Part) -> Told:
        """Count a part; gives what is known of its request so far."""
        origin = part.arrival.origin
        request = _request_of(origin)
        if origin.is_last and request not in self._open:
            return part.told
        opened = self._open.setdefault(request, _Open())
        # By name: a part that is delivered again does not count twice.
        opened.told[part.name] = part.told
        if not is_sampled(origin.traceparent):
            opened.unsampled[part.name] = part
        if len(self._open) > _OPEN_REQUESTS_MAX:
            self._open.popitem(last=False)
        return Told(*map(sum, zip(*opened.told.values(), strict=True)))

    def _report_sampled(self, part: Part, told: Told) -> None:
        origin = part.arrival.origin
        leg = open_leg(origin, self._policy.shape)
        if leg is None:
            return
        _report_part(self._emitter, leg, part)
        if origin.is_last and self._is_first(part):
            report_root(self._emitter, leg, Ending(*told), part.stored.committed_us)

    def _is_first(self, part: Part) -> bool:
        """Say whether nobody has ended this request yet, and take note of it."""
        end = (_request_of(part.arrival.origin), part.name)
        if part.is_repeat or end in self._ended:
            return False
        self._ended[end] = None
        if len(self._ended) > _ENDED_MAX:
            self._ended.popitem(last=False)
        return True

    def _consider(self, part: Part, told: Told) -> None:
        """Rebuild an unsampled request if it is slow or failed, or keep it among the slowest."""
        origin = part.arrival.origin
        opened = self._open.get(_request_of(origin))
        parts = list(opened.unsampled.values()) if opened else [part]
        if not all(can_rebuild(one.arrival) for one in parts):
            return
        took_us = part.stored.committed_us - origin.received_us
        is_failed = told.dead_lettered > 0 and self._policy.settings.retro_failed
        if is_failed or self._policy.is_slow(took_us):
            self._rebuild(parts, told)
        else:
            self._slowest.offer(took_us, (parts, told))

    def _rebuild(self, parts: list[Part], told: Told) -> None:
        if not self._policy.may_rebuild():
            return
        legs = rebuild(self._emitter, [part.arrival for part in parts])
        marked = Rebuilding(self._emitter)
        for leg, part in zip(legs, parts, strict=True):
            _report_part(marked, leg, part)
        report_root(marked, legs[-1], Ending(*told), parts[-1].stored.committed_us)


def report_death(emitter: Emitter, arrival: Arrival, reason: str, ended_us: int) -> None:
    """Emit the failed end of an origin that is dead-lettered here, with all that is left of it.

    Where the origin was not sampled, what came before is rebuilt, as far as the policy allows.
    """
    origin, policy = arrival.origin, emitter.policy
    if not policy.is_on:
        return
    if is_sampled(origin.traceparent):
        leg = open_leg(origin, policy.shape)
    elif _is_whole(origin) and can_rebuild(arrival) and policy.may_rebuild_failed():
        (leg,) = rebuild(emitter, [arrival])
        emitter = Rebuilding(emitter)
    else:
        leg = None
    if leg is None:
        return
    report_read(emitter, leg, arrival.reading, ended_us, error=("dead_lettered", reason))
    if origin.is_last:
        # Of a record that cannot be read nobody knows how many events it holds.
        dead = max(origin.dead + origin.count, 1)
        redelivered = arrival.reading.read.redelivered
        ending = Ending(dead_lettered=dead, reason=reason, redelivered=redelivered)
        report_root(emitter, leg, ending, ended_us)


def _is_whole(origin: Origin) -> bool:
    """Say whether this is all of a request, and not one part of it."""
    return origin.is_last and origin.count + origin.dead >= origin.total


def _request_of(origin: Origin) -> str:
    """Tell requests apart, also those that a trusted client sends in one trace."""
    return f"{origin.traceparent[3:35]}-{origin.received_us}"


def _report_part(emitter: Emitter, leg: Leg, part: Part) -> None:
    report_read(emitter, leg, part.arrival.reading, part.stored.committed_us)
    report_store(emitter, leg, part.stored)
