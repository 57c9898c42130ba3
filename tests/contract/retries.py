"""Notices when something is tried again."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

import stamina.instrumentation
from stamina.instrumentation import RetryDetails


@contextmanager
def tries() -> Generator[asyncio.Event]:
    """Give an event that is set when something is tried again."""
    tried = asyncio.Event()

    def tell(details: RetryDetails) -> None:
        tried.set()

    hooks = stamina.instrumentation.get_on_retry_hooks()
    stamina.instrumentation.set_on_retry_hooks([*hooks, tell])
    try:
        yield tried
    finally:
        stamina.instrumentation.set_on_retry_hooks(hooks)
