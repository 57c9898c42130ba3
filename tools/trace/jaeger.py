"""Traces as Jaeger's query API gives them."""

from __future__ import annotations

import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from libs.tracing import names
from services.topology import PIPELINE
from tools.errors import OperatorError

_TIMEOUT_S = 10.0
# Each stage exports on a tick of its own; a trace asked for at once gets this long to become whole.
WHOLE_WITHIN_S = 3.0
# Several ticks: what has not come by then does not come.
QUIET_S = 1.0
_ASK_AGAIN_S = 0.1
_STAGES = {hop.stage for hop in PIPELINE}


@dataclass(frozen=True, slots=True)
class Span:
    """One span; times in µs since the epoch, `parent_id` empty for one without a parent."""

    id: str
    parent_id: str
    name: str
    service: str
    start_us: int
    duration_us: int
    attributes: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def end_us(self) -> int:
        """The moment it ended."""
        return self.start_us + self.duration_us

    @property
    def is_failed(self) -> bool:
        """Whether its status is an error."""
        return self.attributes.get("error") is True


@dataclass(frozen=True, slots=True)
class Trace:
    """All spans that Jaeger has of one trace."""

    id: str
    spans: list[Span]

    @property
    def root(self) -> Span | None:
        """The bar on top; `None` while the request has not reached the glass."""
        return next((span for span in self.spans if span.name == names.ROOT), None)

    @property
    def is_complete(self) -> bool:
        """Whether it has its root, a span of every stage, and no span whose parent is missing."""
        known = {span.id for span in self.spans}
        parents = {span.parent_id for span in self.spans if span.parent_id}
        services = {span.service for span in self.spans}
        return self.root is not None and parents <= known and services >= _STAGES


def find(jaeger_url: str, trace_id: str) -> Trace | None:
    """Get one trace, waiting a moment until it is whole; `None` if Jaeger has nothing of it."""
    path = f"/api/traces/{urllib.parse.quote(trace_id)}"
    return when_whole(lambda: next(map(_trace, _ask(jaeger_url, path)), None))


def newest(jaeger_url: str) -> Trace | None:
    """Get the trace that started last among those that reached the glass, waiting for a first."""
    deadline = time.monotonic() + WHOLE_WITHIN_S
    while True:
        found = _newest(jaeger_url)
        if found is not None:
            return find(jaeger_url, found.id)
        if time.monotonic() > deadline:
            return None
        time.sleep(_ASK_AGAIN_S)


def between(jaeger_url: str, start_us: int, end_us: int, limit: int) -> list[Trace]:
    """Get traces whose root began between two moments (µs), both included; in no order.

    Where there are more than `limit`, which of them come is up to Jaeger.
    """
    asked = {"service": names.PIPELINE_SERVICE, "operation": names.ROOT, "limit": limit}
    query = urllib.parse.urlencode({**asked, "start": start_us, "end": end_us})
    return [_trace(one) for one in _ask(jaeger_url, f"/api/traces?{query}")]


def when_whole(ask: Callable[[], Trace | None]) -> Trace | None:
    """Ask until the trace is whole, or for `WHOLE_WITHIN_S`; return what there is then.

    A request that ends as a dead letter never passes every stage, so a trace with a root also
    counts as whole when nothing was added to it for `QUIET_S`.
    """
    deadline = time.monotonic() + WHOLE_WITHIN_S
    spans, grown = 0, time.monotonic()
    while True:
        trace, now = ask(), time.monotonic()
        if trace is not None and len(trace.spans) != spans:
            spans, grown = len(trace.spans), now
        has_ended = trace is not None and trace.root is not None and now - grown >= QUIET_S
        if has_ended or (trace is not None and trace.is_complete) or now > deadline:
            return trace
        time.sleep(_ASK_AGAIN_S)


def _newest(jaeger_url: str) -> Trace | None:
    query = urllib.parse.urlencode({"service": names.PIPELINE_SERVICE, "limit": 20})
    found = [_trace(one) for one in _ask(jaeger_url, f"/api/traces?{query}")]
    ended = [(trace.root.start_us, trace) for trace in found if trace.root]
    return max(ended, key=lambda pair: pair[0])[1] if ended else None


def _ask(jaeger_url: str, path: str) -> list[dict[str, Any]]:
    # The stack is on this machine, whatever proxy the shell names.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(jaeger_url + path, timeout=_TIMEOUT_S) as answer:
            return msgspec.json.decode(answer.read()).get("data") or []
    except urllib.error.HTTPError as error:
        if error.code in (400, 404):
            return []
        raise OperatorError(
            f"Jaeger answers {error.code}; see `make logs STAGE=jaeger`."
        ) from error
    except OSError as error:
        raise OperatorError(
            f"Jaeger does not answer at {jaeger_url}; see `make ps` and `make logs STAGE=jaeger`."
        ) from error


def _trace(found: dict[str, Any]) -> Trace:
    services = {key: process["serviceName"] for key, process in found["processes"].items()}
    return Trace(found["traceID"], [_span(span, services) for span in found["spans"]])


def _span(found: dict[str, Any], services: dict[str, str]) -> Span:
    parents = [r["spanID"] for r in found.get("references", []) if r["refType"] == "CHILD_OF"]
    return Span(
        id=found["spanID"],
        parent_id=parents[0] if parents else "",
        name=found["operationName"],
        service=services[found["processID"]],
        start_us=found["startTime"],
        duration_us=found["duration"],
        attributes={tag["key"]: tag["value"] for tag in found.get("tags", [])},
    )
