"""A door of a test's own, in front of a running stack or of a mock Kafka."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.stack import Answer, Stack, eventually, http

READY_LIMIT_S = 20.0
STOP_LIMIT_S = 25.0
KEY = "of-the-second-door"


@dataclass(frozen=True)
class SecondDoor:
    """Where it listens; events that enter here go the way of all others."""

    url: str
    port: int
    process: subprocess.Popen[bytes]

    def post(self, body: object, **headers: str) -> Answer:
        """Send a request."""
        sent = {"Api-Key": KEY, "Content-Type": "application/json", **headers}
        return http("POST", f"{self.url}/v1/events", json.dumps(body).encode(), sent)

    def is_ready(self) -> bool:
        """Whether it takes events."""
        assert self.process.poll() is None, "the second door has ended"
        try:
            return http("GET", f"{self.url}/ready").status == 200
        except OSError:
            return False


@contextmanager
def second_door(stack: Stack, **settings: Any) -> Iterator[SecondDoor]:
    """Run a door beside that of a stack until the test is over."""
    beside = {
        "TTG_STACK": stack.state_dir,
        "OTEL_EXPORTER_OTLP_ENDPOINT": stack.values["OTEL_EXPORTER_OTLP_ENDPOINT"],
    }
    log = stack.state_dir / "logs" / "second-door.log"
    with running_door(stack.kafka_bootstrap_servers, log, **beside, **settings) as door:
        eventually(door.is_ready, READY_LIMIT_S)
        yield door


@contextmanager
def running_door(bootstrap_servers: str, log_path: Path, **settings: Any) -> Iterator[SecondDoor]:
    """Run a door on a port of its own; `settings` are its environment."""
    port = _free_port()
    environ = {
        **os.environ,
        "TTG_REPLICA": "1",
        "INGEST_PORT": str(port),
        "INGEST_API_KEYS": f"default={KEY}",
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
        **{name: str(value) for name, value in settings.items()},
    }
    command = [sys.executable, "-m", "services.ingest"]
    with log_path.open("wb") as log:
        process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)  # noqa: S603
        try:
            yield SecondDoor(f"http://127.0.0.1:{port}", port, process)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_LIMIT_S)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
