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
    attributes: Attributes = field(default_factory=dict[str, AttributeValue])
    links: tuple[SpanRef, ...] = ()
    error_type: str = ""
    error_text: str = ""
    source: Source | None = None


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
        self.policy = Policy(TraceSettings(kafka="ours", retro_slow_s=0, retro_failed=False))
        self.meters = no_meters()

    def emit(self, span: Span) -> None:
        """Drop the span."""
