"""The three headers of a record, replaced as a whole at every hop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from libs.tracing import names
from libs.tracing.carrier import Origin
from libs.tracing.context import is_sampled
from libs.tracing.policy import Policy
from libs.tracing.trail import Trail, read_trail

Headers = list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Carried:
    """What came in a record's headers; empty strings where a foreign producer set nothing."""

    traceparent: str
    tracestate: str
    trail: Trail

    @property
    def trace_id(self) -> str:
        """The trace as 32 hex digits; empty without a context."""
        return self.traceparent[3:35]


def read_headers(headers: Headers) -> Carried:
    """Read the headers; of a name that stands there twice the last one counts."""
    found = {name.lower(): value.decode("latin-1") for name, value in headers if value}
    return Carried(
        traceparent=found.get(names.TRACEPARENT, ""),
        tracestate=found.get(names.TRACESTATE, ""),
        trail=read_trail(found.get(names.TRAIL, "")),
    )


def speaker(origins: Sequence[Origin]) -> Carried:
    """The context of a record: that of its first sampled origin, else of its first."""
    origin = next((o for o in origins if is_sampled(o.traceparent)), origins[0])
    return Carried(origin.traceparent, origin.tracestate, Trail())


def write_headers(origins: Sequence[Origin], trail: Trail, policy: Policy) -> Headers:
    """Make the headers of a record; the context is left out where somebody else puts it in."""
    headers = [(names.TRAIL, trail.text.encode())]
    context = speaker(origins)
    if context.tracestate:
        headers.insert(0, (names.TRACESTATE, context.tracestate.encode()))
    headers.insert(0, (names.TRACEPARENT, context.traceparent.encode()))
    return without_context(headers) if policy.is_contrib else headers


def without_context(headers: Headers) -> Headers:
    """Leave out what whoever sends a record puts in."""
    return [pair for pair in headers if pair[0] not in (names.TRACEPARENT, names.TRACESTATE)]
