"""One run on a running stack: load, a fault, healing, rest, and the verdict of the checker."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from libs.clock import now_us
from tests.faults.load import Load, Offer
from tests.faults.processes import Processes, Watch
from tests.faults.record import Fault, Limits, Record
from tests.stack import Stack

_CHECK_LIMIT_S = 240.0
_ACKED_LIMIT_S = 60.0
_MARGIN = 1.02


@dataclass(slots=True)
class Scene:
    """What an injection works with."""

    stack: Stack
    processes: Processes
    record: Record
    load: Load
    folder: Path

    @contextmanager
    def fault(self, what: str) -> Iterator[Fault]:
        """Note a fault; it is cleared when the block ends, or at once if it cannot last."""
        fault = Fault(what=what, at_us=now_us(), cleared_us=0)
        try:
            yield fault
        finally:
            fault.cleared_us = fault.cleared_us or now_us()
            self.record.faults.append(fault)

    def moment(self, what: str, deed: Callable[[], str]) -> None:
        """Note a fault that is over when it has happened: what follows is its recovery."""
        with self.fault(what) as fault:
            fault.cleared_us = fault.at_us
            fault.proof = deed()

    def clock(self) -> Callable[[], float]:
        """Give a clock that begins now, in seconds."""
        began = time.monotonic()
        return lambda: time.monotonic() - began

    def under_load(self, seconds: float) -> None:
        """Let the load go on."""
        time.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Entrance:
    """Another door for the load."""

    url: str
    key: str


NO_ENTRANCE = Entrance("", "")
USUAL = Offer()


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table of faults.

    `rules` see the verdict and give a sentence if something of it must not be so.
    """

    name: str
    fault: str
    inject: Callable[[Scene], None]
    recovery_s: float
    is_p0: bool = True
    # Whether `make test` runs it, too.
    is_bounded: bool = False
    # Processes that the fault itself ends; any other that is restarted is a finding.
    may_restart: tuple[str, ...] = ()
    offer: Offer = USUAL
    after_s: float = 3.0
    faults_min: int = 1
    acked_min: int = 10_000
    rules: tuple[Callable[[Mapping[str, Any]], str], ...] = ()
    entrance: Callable[[Processes], AbstractContextManager[Entrance]] | None = None


@dataclass(slots=True)
class Result:
    """What came of one row; a limit of 0 is none."""

    name: str
    fault: str
    limit_s: float = 0.0
    verdict: dict[str, Any] = field(default_factory=dict[str, Any])
    took_s: float = 0.0

    @property
    def is_green(self) -> bool:
        """Whether it proves what it should."""
        return self.verdict["verdict"] == "green"


def play(stack: Stack, row: Row, folder: Path) -> Result:
    """Run one row to its verdict; ledger, record and verdict stay in `folder`."""
    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    processes = Processes(stack)
    record = Record(Limits(recovery_s=row.recovery_s, acked_min=row.acked_min,
                           faults_min=row.faults_min))  # fmt: skip
    with row.entrance(processes) if row.entrance else nullcontext(NO_ENTRANCE) as entrance:
        load = Load(stack, folder, row.offer, entrance.url, entrance.key)
        _under_fault(Scene(stack, processes, record, load, folder), row)
        processes.until_ready()
    record_path = folder / "record.json"
    record.write(record_path)
    found = check(stack, load.ledger, "--record", str(record_path))
    result = Result(row.name, row.fault, row.recovery_s, found)
    for rule in row.rules:
        if sentence := rule(result.verdict):
            result.verdict["findings"].append({"checker": row.name, "examples": [sentence]})
            result.verdict["verdict"] = "red"
    result.took_s = time.monotonic() - began
    (folder / "verdict.json").write_text(json.dumps(result.verdict, indent=1))
    return result


def _under_fault(scene: Scene, row: Row) -> None:
    load = scene.load
    load.start()
    try:
        _until_flowing(load)
        with Watch(scene.processes, scene.record, row.may_restart):
            row.inject(scene)
            scene.under_load(row.after_s)
            load.end(int(row.acked_min * _MARGIN), _ACKED_LIMIT_S)
    finally:
        load.kill()


def _until_flowing(load: Load) -> None:
    deadline = time.monotonic() + _ACKED_LIMIT_S
    while not load.acked():
        assert time.monotonic() < deadline, "nothing was accepted before the fault"
        time.sleep(0.1)


def check(stack: Stack, ledger: Path, *words: str, database: str = "") -> dict[str, Any]:
    """Run the checker in its own process and return its verdict."""
    done = subprocess.run(  # noqa: S603  (our own command)
        [
            sys.executable, "-m", "tests.faults.check", str(ledger), *words,
            "--kafka", stack.kafka_bootstrap_servers,
            "--database", database or stack.values["DATABASE_URL"],
        ],
        capture_output=True, text=True, timeout=_CHECK_LIMIT_S, check=False,
    )  # fmt: skip
    assert done.stdout, done.stderr
    return json.loads(done.stdout)
