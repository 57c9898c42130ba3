"""Traces as Jaeger's query API gives them."""

from __future__ import annotations

import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from typing import Any

import msgspec

from libs.tracing import names
from tools.errors import OperatorError

_TIMEOUT_S = 10.0
# Spans leave the stages in batches; a trace asked for at once gets this long to become whole.
WHOLE_WITHIN_S = 3.0
_ASK_AGAIN_S = 0.1


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


def find(jaeger_url: str, trace_id: str) -> Trace | None:
    """Get one trace, waiting a moment for its root; `None` if Jaeger has nothing of it."""
    deadline = time.monotonic() + WHOLE_WITHIN_S
    while True:
        found = _ask(jaeger_url, f"/api/traces/{urllib.parse.quote(trace_id)}")
        trace = _trace(found[0]) if found else None
        if (trace and trace.root) or time.monotonic() > deadline:
            return trace
        time.sleep(_ASK_AGAIN_S)


def newest(jaeger_url: str) -> Trace | None:
    """Get the trace that started last among those that reached the glass."""
    query = urllib.parse.urlencode({"service": names.PIPELINE_SERVICE, "limit": 20})
    found = [_trace(one) for one in _ask(jaeger_url, f"/api/traces?{query}")]
    whole = [(trace.root.start_us, trace) for trace in found if trace.root]
    return max(whole, key=lambda pair: pair[0])[1] if whole else None


def _ask(jaeger_url: str, path: str) -> list[dict[str, Any]]:
    try:
        with urllib.request.urlopen(jaeger_url + path, timeout=_TIMEOUT_S) as answer:  # noqa: S310
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
