"""The door of a stack, as those that send requests see it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tools.env import StackEnv
from tools.load.client import Client

ACCEPTED = 202
ANSWER_TIMEOUT_S = 30.0
_PATH = "/v1/events"


@contextmanager
def client(reached: StackEnv) -> Generator[Client]:
    """Yield a client of it, whose connections are closed in the end."""
    headers = {"Api-Key": reached.api_key, "Content-Type": "application/json"}
    made = Client(reached.ingest_url, _PATH, headers)
    try:
        yield made
    finally:
        made.close()
