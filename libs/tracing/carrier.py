"""What tracing must see of an origin, whatever type carries it."""

from __future__ import annotations

from typing import Protocol


class Origin(Protocol):
    """One request, or one part of it, inside a record."""

    @property
    def tenant(self) -> str: ...
    @property
    def count(self) -> int: ...
    @property
    def total(self) -> int: ...
    @property
    def dead(self) -> int: ...
    @property
    def traceparent(self) -> str: ...
    @property
    def tracestate(self) -> str: ...
    @property
    def is_last(self) -> bool: ...
