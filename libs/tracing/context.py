"""Trace context as W3C text: what is read from a carrier and written to the next one."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from libs.tracing import names

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
# Strict, because what another producer wrote here becomes an id and a time of our own spans.
_GLASS = re.compile(r"(?!0{16})([0-9a-f]{16})-([0-9]{1,16})")
# What the W3C asks everybody to carry on; more may be dropped.
_TRACESTATE_CHARS_MAX = 512
_SAMPLED_ENDINGS = frozenset("13579bdf")
# The system's own entropy: ids stay apart also when replicas start in the same moment.
_ids = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class SpanRef:
    """One span by its ids, as a `traceparent` names it."""

    trace_id: int
    span_id: int
    is_sampled: bool


@dataclass(frozen=True, slots=True)
class Glass:
    """Our member of `tracestate`: the root span that waits to be emitted, and the start (µs)."""

    root_id: int
    received_us: int


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
            return Glass(int(match[1], 16), int(match[2])) if match else None
    return None


def adopt(traceparent: str, tracestate: str) -> tuple[str, str]:
    """Take over a context that a foreign producer set: its trace goes on, and stays theirs.

    Gives a `traceparent` of version 00, empty if there is no valid one, and the `tracestate` of
    others. Our own member is left out: the root it names is emitted by the record it was made for.
    """
    ref = parse_traceparent(traceparent)
    if ref is None:
        return "", ""
    members = [member.strip() for member in tracestate.split(",")]
    theirs = ",".join(m for m in members if m and not m.startswith(f"{names.TRACESTATE_MEMBER}="))
    is_fit = theirs.isascii() and theirs.isprintable() and len(theirs) <= _TRACESTATE_CHARS_MAX
    return format_traceparent(ref), theirs if is_fit else ""


def format_glass(glass: Glass) -> str:
    """Write our member of `tracestate`."""
    return f"{names.TRACESTATE_MEMBER}={glass.root_id:016x}-{glass.received_us}"
