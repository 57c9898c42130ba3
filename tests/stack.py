"""A whole stack of its own, on its own ports, driven by the same commands a user types."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil

PORTS = 11
# A first start on an empty machine builds Jaeger; with caches warm it takes seconds.
UP_LIMIT_S = 1_800.0
COMMAND_LIMIT_S = 180.0
SEEN_LIMIT_S = 10.0

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """What an HTTP server said."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Stack:
    """A running stack, by the values of its `env` file."""

    state_dir: Path
    port_base: int
    values: Mapping[str, str]

    @property
    def kafka_bootstrap_servers(self) -> str:
        return self.values["KAFKA_BOOTSTRAP_SERVERS"]

    def ttg(
        self, *words: str, limit_s: float = COMMAND_LIMIT_S
    ) -> subprocess.CompletedProcess[str]:
        """Run an operator's command against this stack."""
        return run_ttg(self.state_dir, self.port_base, *words, limit_s=limit_s)

    def start_ttg(self, *words: str) -> subprocess.Popen[str]:
        """Start an operator's command and go on."""
        return subprocess.Popen(  # noqa: S603  (our own command)
            [sys.executable, "-m", "tools", *words],
            env=environment(self.state_dir, self.port_base),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def post(self, body: object, **headers: str) -> Answer:
        """Send a request to the door; a header given as `None` is left out."""
        encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Api-Key": self.values["API_KEY"], "Content-Type": "application/json", **headers}
        named = {name.replace("_", "-"): text for name, text in sent.items() if text}
        return http("POST", f"{self.values['INGEST_URL']}/v1/events", encoded, named)

    def events(self, query: str) -> list[dict[str, Any]]:
        """Ask the glass."""
        answer = http("GET", f"{self.values['GLASS_URL']}/v1/events?{query}")
        assert answer.status == 200, answer
        return answer.body["events"]

    def trace(self, trace_id: str) -> dict[str, Any] | None:
        """Ask Jaeger for a trace; `None` while it has none or the root is missing."""
        answer = http("GET", f"{self.values['JAEGER_URL']}/api/traces/{trace_id}")
        if answer.status != 200 or not answer.body["data"]:
            return None
        (trace,) = answer.body["data"]
        names = [span["operationName"] for span in trace["spans"]]
        return trace if "time to glass" in names else None

    def processes(self) -> list[dict[str, Any]]:
        """List what runs, as `ttg ps --json` tells it."""
        listed = self.ttg("ps", "--json")
        assert listed.returncode == 0, listed
        return json.loads(listed.stdout)

    def pids(self, stage: str) -> dict[int, int]:
        """The processes of a stage: pid by replica."""
        return {p["replica"]: p["pid"] for p in self.processes() if p["stage"] == stage}

    def kill(self, stage: str) -> None:
        """Kill the first replica of a stage as a crash would."""
        os.kill(self.pids(stage)[0], signal.SIGKILL)

    def members(self) -> list[psutil.Process]:
        """Every living process that belongs to this stack, by the mark it carries."""
        return [process for process in psutil.process_iter() if self._is_member(process)]

    def _is_member(self, process: psutil.Process) -> bool:
        try:
            is_ours = process.environ().get("TTG_STACK") == str(self.state_dir)
            return is_ours and process.status() != psutil.STATUS_ZOMBIE
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False


def eventually(ask: Callable[[], T | None], limit_s: float = SEEN_LIMIT_S) -> T:
    """Ask until there is an answer that is not empty."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if answer := ask():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"no answer within {limit_s} s")


def http(
    method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """Send one request; every status is an answer."""
    request = urllib.request.Request(url, body, dict(headers or {}), method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=30) as got:  # noqa: S310  (loopback only)
            return Answer(got.status, dict(got.headers), _json(got.read()))
    except urllib.error.HTTPError as error:
        return Answer(error.code, dict(error.headers), _json(error.read()))


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def environment(state_dir: Path, port_base: int) -> dict[str, str]:
    """The settings of a stack beside all others."""
    places = {"TTG_STATE_DIR": str(state_dir), "TTG_PORT_BASE": str(port_base)}
    return {**os.environ, **places, "NO_COLOR": "1"}


def run_ttg(
    state_dir: Path, port_base: int, *words: str, limit_s: float = COMMAND_LIMIT_S
) -> subprocess.CompletedProcess[str]:
    """Run an operator's command to its end."""
    return subprocess.run(  # noqa: S603  (our own command)
        [sys.executable, "-m", "tools", *words],
        env=environment(state_dir, port_base),
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )


def read_env(state_dir: Path) -> dict[str, str]:
    """Source the `env` file the way a user's shell does."""
    shell = ["/bin/sh", "-c", 'set -a; . "$0"; env', str(state_dir / "env")]
    printed = subprocess.run(  # noqa: S603
        shell, env={}, capture_output=True, text=True, check=True, timeout=10
    )
    return dict(line.split("=", 1) for line in printed.stdout.splitlines())


def free_port_base() -> int:
    """Find a row of ports that nobody listens on."""
    for base in range(21_000, 30_000, 50):
        if all(_is_free(base + offset) for offset in range(PORTS)):
            return base
    raise AssertionError("no row of free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@contextmanager
def running(state_dir: Path) -> Iterator[Stack]:
    """Bring a stack up, and take everything of it away afterwards."""
    port_base = free_port_base()
    try:
        up = run_ttg(state_dir, port_base, "up", limit_s=UP_LIMIT_S)
        assert up.returncode == 0, f"{up.stdout}\n{up.stderr}"
        yield Stack(state_dir, port_base, read_env(state_dir))
    finally:
        run_ttg(state_dir, port_base, "clean")
