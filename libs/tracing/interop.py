"""Interop mode: `opentelemetry-instrumentation-aiokafka` makes Kafka's spans, and not we.

Of ours the request, the root and the two of a replay are left; the spans of sends and receives are
the package's own.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

from grpc import Compression
from opentelemetry import context, propagate
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.aiokafka import AIOKafkaInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from libs.errors import Misconfigured
from libs.tracing import names
from libs.tracing.headers import Carried
from libs.tracing.meters import Meters
from libs.tracing.policy import Policy
from libs.tracing.spans import Emitter, Span

_propagator = TraceContextTextMapPropagator()
# A record that is sent again is sent as the child of the span of its replay.
_OF_REPLAYS = tuple(name.format(topic="") for name in (names.REPLAY, names.REPLAYED))


class Ends:
    """An emitter for the ends of a trace, and of a replay; what lies between them others tell."""

    def __init__(self, inner: Emitter) -> None:
        self._inner = inner

    @property
    def policy(self) -> Policy:
        """The policy of this process."""
        return self._inner.policy

    @property
    def meters(self) -> Meters:
        """The meters of this process."""
        return self._inner.meters

    def emit(self, span: Span) -> None:
        """Pass on the request, the root, and what leads from one trace to its replay."""
        if span.name in (names.SERVER, names.ROOT) or span.name.startswith(_OF_REPLAYS):
            self._inner.emit(span)


def refuse_two_injectors(policy: Policy) -> None:
    """Raise `Misconfigured` if the package instruments the clients and we would, too."""
    is_active = AIOKafkaInstrumentor().is_instrumented_by_opentelemetry
    if is_active and not policy.is_contrib:
        raise Misconfigured(
            "opentelemetry-instrumentation-aiokafka instruments this process, and each record "
            "would carry two contexts; set TRACE_KAFKA=contrib, or do not instrument it"
        )


def instrument(resource: Resource, compression: Compression) -> Callable[[], object]:
    """Let the package instrument Kafka's clients; gives what ends that, and may hang."""
    # What has no sampled parent, such as a poll, makes no trace of its own.
    provider = TracerProvider(
        resource=resource, sampler=ParentBased(root=ALWAYS_OFF), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(compression=compression)))
    # Without baggage, which is dropped at the door.
    propagate.set_global_textmap(_propagator)
    instrumentor = AIOKafkaInstrumentor()
    if not instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.instrument(tracer_provider=provider)

    def end() -> None:
        instrumentor.uninstrument()
        provider.shutdown()

    return end


@contextmanager
def sending(policy: Policy, carried: Carried) -> Generator[None]:
    """Make a context current for the package, which sends what is sent here as its child."""
    if not policy.is_contrib or not carried.traceparent:
        yield
        return
    carrier = {names.TRACEPARENT: carried.traceparent, names.TRACESTATE: carried.tracestate}
    token = context.attach(_propagator.extract(carrier, context.Context()))
    try:
        yield
    finally:
        context.detach(token)
