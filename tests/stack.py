"""A whole stack of its own, on its own ports, driven by the same commands a user types."""

from __future__ import annotations

import json
import os
import random
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

from libs.tracing import names
from services.topology import PIPELINE

PORTS = 12
# A first start on an empty machine builds Jaeger; with caches warm it takes seconds.
UP_LIMIT_S = 1_800.0
COMMAND_LIMIT_S = 180.0
SEEN_LIMIT_S = 10.0
# Longer than the 0.5 s between two exports of a stage.
TICK_S = 0.6
QUIET_S = 1.0

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
        """Ask Jaeger for a trace; `None` until it has its root and all its spans.

        Each stage exports on its own tick, so the root may be there before what it stands over. A
        request that ends as a dead letter never passes every stage; its trace is taken as it is
        when it has stopped growing.
        """
        before = self.trace_now(trace_id)
        if before is None or not roots(before):
            return None
        time.sleep(TICK_S if is_complete(before) else QUIET_S)
        after = self.trace_now(trace_id)
        has_grown = after is None or len(after["spans"]) != len(before["spans"])
        return None if has_grown else after

    def trace_now(self, trace_id: str) -> dict[str, Any] | None:
        """Ask Jaeger what it has of a trace by now."""
        answer = http("GET", f"{self.values['JAEGER_URL']}/api/traces/{trace_id}")
        if answer.status != 200 or not answer.body["data"]:
            return None
        (trace,) = answer.body["data"]
        return trace

    def processes(self) -> list[dict[str, Any]]:
        """List what runs, as `ttg ps --json` tells it."""
        listed = self.ttg("ps", "--json")
        assert listed.returncode == 0, listed
        return json.loads(listed.stdout)

    def pids(self, stage: str) -> dict[int, int]:
        """The processes of a stage that run: pid by replica."""
        listed = [p for p in self.processes() if p["stage"] == stage]
        return {p["replica"]: p["pid"] for p in listed if p["pid"]}

    @contextmanager
    def frozen(self, process: str, for_s: float = 0.0) -> Iterator[None]:
        """Stop a process in its tracks, as a machine that hangs does, for so long at least."""
        pid = self.pids(process)[0]
        os.kill(pid, signal.SIGSTOP)
        time.sleep(for_s)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


def members(state_dir: Path) -> list[psutil.Process]:
    """Every living process that belongs to a stack, by the mark it carries."""
    return [process for process in psutil.process_iter() if _is_member(process, state_dir)]


def _is_member(process: psutil.Process, state_dir: Path) -> bool:
    try:
        is_ours = process.environ().get("TTG_STACK") == str(state_dir)
        return is_ours and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def roots(trace: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The spans of a trace that stand for the whole of it."""
    return [span for span in trace["spans"] if span["operationName"] == names.ROOT]


def is_complete(trace: Mapping[str, Any]) -> bool:
    """Whether there is a span of every stage, and no span whose parent is missing."""
    services = {process["serviceName"] for process in trace["processes"].values()}
    known = {span["spanID"] for span in trace["spans"]}
    return services >= {hop.stage for hop in PIPELINE} and parents(trace) <= known


def parents(trace: Mapping[str, Any]) -> set[str]:
    """The ids of the spans that others name as their parent."""
    references = [reference for span in trace["spans"] for reference in span["references"]]
    return {one["spanID"] for one in references if one["refType"] == "CHILD_OF"}


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
    # Loopback only, whatever proxy the shell names.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as got:
            return Answer(got.status, dict(got.headers), _json(got.read()))
    except urllib.error.HTTPError as error:
        return Answer(error.code, dict(error.headers), _json(error.read()))


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def environment(state_dir: Path, port_base: int, **settings: str) -> dict[str, str]:
    """The settings of a stack beside all others."""
    places = {"TTG_STATE_DIR": str(state_dir), "TTG_PORT_BASE": str(port_base)}
    # Faults and failpoints are of processes of this machine; who wants containers says so.
    return {"MODE": "native", **os.environ, **places, **settings, "NO_COLOR": "1"}


def run_ttg(
    state_dir: Path,
    port_base: int,
    *words: str,
    limit_s: float = COMMAND_LIMIT_S,
    **settings: str,
) -> subprocess.CompletedProcess[str]:
    """Run an operator's command to its end, in an environment with some settings."""
    return subprocess.run(  # noqa: S603  (our own command)
        [sys.executable, "-m", "tools", *words],
        env=environment(state_dir, port_base, **settings),
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
    """Find a row of ports that nobody listens on, from a random one on: others look for theirs."""
    bases = range(21_000, 30_000, 50)
    first = random.SystemRandom().randrange(len(bases))
    for base in (*bases[first:], *bases[:first]):
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
def running(state_dir: Path, **settings: str) -> Iterator[Stack]:
    """Bring a stack up with some settings, and take everything of it away afterwards."""
    port_base = free_port_base()
    try:
        up = run_ttg(state_dir, port_base, "up", limit_s=UP_LIMIT_S, **settings)
        assert up.returncode == 0, f"{up.stdout}\n{up.stderr}"
        yield Stack(state_dir, port_base, read_env(state_dir))
    finally:
        clean = run_ttg(state_dir, port_base, "clean")
    assert clean.returncode == 0, f"{clean.stdout}\n{clean.stderr}"
    assert not members(state_dir)
