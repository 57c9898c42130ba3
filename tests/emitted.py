"""An emitter that keeps the spans it is given."""

from __future__ import annotations

from libs.tracing import Span
from libs.tracing.meters import no_meters
from libs.tracing.policy import Policy
from libs.tracing.settings import TraceSettings


class Emitted:
    """The spans that were emitted, in their order."""

    def __init__(self, **settings: object) -> None:
        self.spans: list[Span] = []
        self.meters = no_meters()
        self.policy = Policy(TraceSettings.model_validate(settings))

    def emit(self, span: Span) -> None:
        """Keep a span."""
        self.spans.append(span)

    def names(self) -> list[str]:
        """The names of the spans, in their order."""
        return [span.name for span in self.spans]

    def named(self, name: str) -> Span:
        """The one span of this name."""
        (span,) = [span for span in self.spans if span.name == name]
        return span

    def roots(self) -> list[Span]:
        """The root spans."""
        return [span for span in self.spans if span.name == "time to glass"]
