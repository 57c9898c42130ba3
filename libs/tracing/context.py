"""Trace context as W3C text: what is read from a carrier and written to the next one."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import NamedTuple

from libs.tracing import names

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
# Strict, because what another producer wrote here becomes an id and a time of our own spans.
_GLASS = re.compile(r"(?!0{16})([0-9a-f]{16})-([0-9]{1,16})(?:-([0-9a-f]{16}))?")
# What the W3C asks everybody to carry on; more may be dropped.
_TRACESTATE_CHARS_MAX = 512
_MEMBERS_MAX = 32
# A hostile header has more; it is not taken apart for it.
_MEMBERS_READ_MAX = 64
_OURS = f"{names.TRACESTATE_MEMBER}="
_SAMPLED_ENDINGS = frozenset("13579bdf")
# The system's own entropy: ids stay apart also when replicas start in the same moment.
_ids = random.SystemRandom()


class SpanRef(NamedTuple):
    """One span by its ids, as a `traceparent` names it."""

    trace_id: int
    span_id: int
    is_sampled: bool


@dataclass(frozen=True, slots=True)
class Glass:
    """Our member of `tracestate`: the root span that waits to be emitted, and the start (µs).

    `parent_id` is the span of a trusted client that the root continues, else 0.
    """

    root_id: int
    received_us: int
    parent_id: int = 0


def new_trace_id() -> int:
    """A random id that is never zero."""
    return _ids.getrandbits(128) or 1


def new_span_id() -> int:
    """A random id that is never zero."""
    return random.getrandbits(64) or 1


def is_sampled(traceparent: str) -> bool:
    """Read the one bit that decides whether any span work is done."""
    return traceparent[-1:] in _SAMPLED_ENDINGS


def parse_traceparent(text: str) -> SpanRef | None:
    """Read a `traceparent`; anything the W3C forbids gives `None`."""
    match = _TRACEPARENT.fullmatch(text.strip())
    if match is None or match[1] == "ff" or (match[1] == "00" and match[5]):
        return None
    trace_id, span_id = int(match[2], 16), int(match[3], 16)
    if not trace_id or not span_id:
        return None
    return SpanRef(trace_id, span_id, is_sampled=bool(int(match[4], 16) & 1))


def format_traceparent(ref: SpanRef) -> str:
    """Write a `traceparent` of version 00."""
    return f"00-{ref.trace_id:032x}-{ref.span_id:016x}-{ref.is_sampled:02x}"


def parse_glass(tracestate: str) -> Glass | None:
    """Find our member in a `tracestate`; `None` if a foreign producer started the trace."""
    for member in tracestate.split(","):
        key, _, value = member.strip().partition("=")
        if key == names.TRACESTATE_MEMBER:
            match = _GLASS.fullmatch(value)
            return _glass(match) if match else None
    return None


def adopt(traceparent: str, tracestate: str) -> tuple[str, str]:
    """Take over a context that a foreign producer set: its trace goes on, and stays theirs.

    Gives a `traceparent` of version 00, empty if there is no valid one, and the `tracestate` of
    others. Our own member is left out: the root it names is emitted by the record it was made for.
    """
    ref = parse_traceparent(traceparent)
    return ("", "") if ref is None else (format_traceparent(ref), others_members(tracestate))


def others_members(tracestate: str) -> str:
    """Give the members of a `tracestate` that are not ours, within the W3C's limits."""
    if not tracestate.isascii() or not tracestate.isprintable():
        return ""
    members = [member.strip() for member in tracestate.split(",")[:_MEMBERS_READ_MAX]]
    return join_members(*(m for m in members if m and not m.startswith(_OURS)))


def join_members(*members: str) -> str:
    """Write a `tracestate`; what is beyond the W3C's limits is dropped from the right."""
    kept = ""
    for member in list(filter(None, ",".join(members).split(",")))[:_MEMBERS_MAX]:
        longer = f"{kept},{member}" if kept else member
        if len(longer) > _TRACESTATE_CHARS_MAX:
            break
        kept = longer
    return kept


def _glass(match: re.Match[str]) -> Glass:
    return Glass(int(match[1], 16), int(match[2]), int(match[3] or "0", 16))


def format_glass(glass: Glass) -> str:
    """Write our member of `tracestate`."""
    parent = f"-{glass.parent_id:016x}" if glass.parent_id else ""
    return f"{names.TRACESTATE_MEMBER}={glass.root_id:016x}-{glass.received_us}{parent}"
