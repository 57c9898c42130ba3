"""One more replica of a stage beside those of a running stack, in a process that the test owns."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.stack import Stack, eventually
from tools.native import settings as native_settings, sockets

READY_LIMIT_S = 30.0
# The budget of a drain, and what a busy machine adds to it.
DRAIN_LIMIT_S = 23.0

# Runs a stage that does something to itself when it gets SIGUSR1.
PRONE = """
import asyncio, gc, signal, time
from aiokafka.consumer.fetcher import Fetcher
from libs import stage
from services.{stage}.__main__ import main

def fall_ill():
    {illness}

async def prone():
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, fall_ill)
    await main()

stage.launch(prone)
"""
KILL_FETCH = "[one._fetch_task.cancel() for one in gc.get_objects() if type(one) is Fetcher]"
HANG_FETCH = "Fetcher._proc_fetch_request = lambda *_: asyncio.sleep(3_600)"
# Three times what the watchdog allows.
BLOCK_LOOP = "time.sleep(15)"


@dataclass(frozen=True)
class Replica:
    """Where it answers, and what it has written."""

    process: subprocess.Popen[bytes]
    log_file: Path
    socket: Path

    def says(self, target: str = "/ready") -> dict[str, Any]:
        """Ask it how it is; one that does not answer says nothing."""
        connection = sockets.Connection(self.socket, 5.0)
        try:
            connection.request("GET", target)
            return json.loads(connection.getresponse().read())
        except OSError:
            return {"status": "no answer", "reasons": []}
        finally:
            connection.close()

    def is_ready(self) -> bool:
        """Whether it is a member of its group."""
        assert self.process.poll() is None, self.log()
        return self.says()["status"] in {"ready", "standby"}

    def has_said(self, event: str) -> int:
        """How often an event is in its log."""
        return self.log().count(f'"event":"{event}"')

    def log(self) -> str:
        return self.log_file.read_text()

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self, limit_s: float = DRAIN_LIMIT_S) -> tuple[int, float]:
        """Wait for its end: the exit code, and how long that took."""
        began = time.monotonic()
        code = self.process.wait(limit_s)
        return code, time.monotonic() - began


@contextmanager
def replica(
    stack: Stack, stage: str, illness: str = "", number: int = 7, **settings: Any
) -> Iterator[Replica]:
    """Run one until the test is over; `settings` are its environment."""
    name = f"{stage}-extra-{number}"
    settings_of_stack = native_settings.Settings(stack.state_dir, stack.state_dir, stack.port_base)
    place = sockets.folder(settings_of_stack) / f"{name}.sock"
    environ = {
        **os.environ,
        "TTG_STACK": str(stack.state_dir),
        "TTG_REPLICA": str(number),
        "HEALTH_SOCKET": str(place),
        "KAFKA_BOOTSTRAP_SERVERS": stack.kafka_bootstrap_servers,
        "DATABASE_URL": stack.values["DATABASE_URL"],
        "OTEL_EXPORTER_OTLP_ENDPOINT": stack.values["OTEL_EXPORTER_OTLP_ENDPOINT"],
        **{key: str(value) for key, value in settings.items()},
    }
    script = PRONE.format(stage=stage, illness=illness)
    command = [sys.executable, *(["-c", script] if illness else ["-m", f"services.{stage}"])]
    path = stack.state_dir / "logs" / f"{name}.log"
    with path.open("wb") as log:
        process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)  # noqa: S603
        try:
            yield Replica(process, path, place)
        finally:
            process.kill()
            process.wait()


@contextmanager
def ready_replica(
    stack: Stack, stage: str, illness: str = "", number: int = 7, **settings: Any
) -> Iterator[Replica]:
    """Run one, and wait until its group has it."""
    with replica(stack, stage, illness, number, **settings) as started:
        eventually(started.is_ready, READY_LIMIT_S)
        yield started
