"""Finished spans from facts: built once the work is done, so no work waits for its telemetry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from opentelemetry.trace import SpanKind
from opentelemetry.util.types import AttributeValue

from libs.tracing.context import SpanRef
from libs.tracing.meters import Meters, no_meters
from libs.tracing.policy import Policy
from libs.tracing.settings import TraceSettings

Attributes = dict[str, AttributeValue]


@dataclass(frozen=True, slots=True)
class Source:
    """The process a span is of: what its resource says."""

    service: str
    instance: str
    host: str


class Shared:
    """Attributes that several spans have, beside those of a `base`: encoded once.

    What holds of a partition is the base of what holds of a record, which its origins share. No
    name stands in two of them.
    """

    __slots__ = ("attributes", "base", "count", "encoded")

    def __init__(self, attributes: Attributes, base: Shared | None = None) -> None:
        self.attributes = attributes
        self.base = base
        self.count: int = len(attributes) + (base.count if base else 0)
        # The encoder's to fill in, with those of the base.
        self.encoded: bytes | None = None

    @property
    def all(self) -> Attributes:
        """The attributes with those of the base; a copy."""
        return {**self.base.all, **self.attributes} if self.base else {**self.attributes}


_NOTHING = Shared({})


@dataclass(slots=True)
class Span:
    """The facts of one span; times in µs since the epoch, `parent_id` 0 for a root.

    Without a `source` it is of the process that emits it.
    """

    name: str
    ref: SpanRef
    parent_id: int
    start_us: int
    end_us: int
    kind: SpanKind = SpanKind.INTERNAL
    shared: Shared = _NOTHING
    own: Attributes = field(default_factory=dict[str, AttributeValue])
    links: tuple[SpanRef, ...] = ()
    error_type: str = ""
    error_text: str = ""
    source: Source | None = None

    @property
    def attributes(self) -> Attributes:
        """All attributes; a copy."""
        return {**self.shared.all, **self.own}


class Emitter(Protocol):
    """Where finished spans go, and what is decided and measured for the whole process."""

    @property
    def meters(self) -> Meters:
        """What is measured of all requests."""
        ...

    @property
    def policy(self) -> Policy:
        """Which shape traces have, and which of the unsampled are rebuilt."""
        ...

    def emit(self, span: Span) -> None:
        """Take one span, which must not change from now on; never waits and never raises."""
        ...


class NoEmitter:
    """For a process that exports nothing."""

    def __init__(self) -> None:
        self.policy = Policy(TraceSettings(retro_slow_s=0, retro_failed=False), is_on=False)
        self.meters = no_meters()

    def emit(self, span: Span) -> None:
        """Drop the span."""
