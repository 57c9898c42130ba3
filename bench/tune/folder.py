"""The folder of a tuning run: what was measured, a line a trial, so that it can go on later."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.tune.trial import Done
from bench.tune.waterfalls import FOLDER as WATERFALLS
from bench.watch.machine import Machine
from tools.env import REPOSITORY
from tools.errors import OperatorError

_RUN, _TRIALS = "run.json", "trials.jsonl"
REPORT, TUNED = "report.html", "tuned.env"
# What runs and what measures it.
_CODE = ("services", "libs", "tools", "bench", "deploy")
_SUFFIXES = frozenset({".py", ".sql", ".yaml", ".properties", ".conf", ".toml", ".json"})
_MADE = (_RUN, _TRIALS, REPORT, TUNED)


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What all trials of a folder have in common."""

    rate: float
    batch: int
    sampled: float
    warm_up_s: float
    window_s: float
    machine: Machine
    # A digest of the files that run; the commit tells a reader which they are.
    code: str


class Folder:
    """A folder that holds one run, or none yet."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, run: Run, *, fresh: bool) -> tuple[Run, list[Done]]:
        """Return the run that is here and its trials; `run` and none if there are none yet.

        Raises `OperatorError` if what is here was measured under other conditions.
        """
        if self.path.exists() and any(self.path.iterdir()) and not self._is_ours():
            raise OperatorError(
                f"{self.path} holds files that are not of a tuning run; choose another OUT."
            )
        dones = [] if fresh else self.trials()
        if not dones:
            return run, []
        there = self.run()
        if changed := differences(there, run):
            raise OperatorError(
                f"The trials in {self.path} were measured with other conditions: "
                f"{'; '.join(changed)}. Go back to those, choose another OUT, or begin anew with "
                "FRESH=1."
            )
        return there, dones

    def keep(self, run: Run, *, fresh: bool) -> None:
        """Write down what all trials have in common, before the first of them."""
        if fresh:
            self._clear()
        self.path.mkdir(parents=True, exist_ok=True)
        # It may be inside the repository, whose state is told in the report.
        (self.path / ".gitignore").write_text("*\n")
        (self.path / _RUN).write_bytes(msgspec.json.format(msgspec.json.encode(run)) + b"\n")

    def run(self) -> Run:
        """Return what its trials have in common."""
        path = self.path / _RUN
        try:
            return msgspec.json.decode(path.read_bytes(), type=Run)
        except msgspec.DecodeError as error:
            raise OperatorError(f"{path} cannot be read ({error}); begin anew with FRESH=1.") from (
                error
            )

    def trials(self) -> list[Done]:
        """Return what was measured; a last line that was not written to its end is left out."""
        path = self.path / _TRIALS
        if not path.is_file():
            return []
        *lines, _rest = path.read_bytes().split(b"\n")
        try:
            return [msgspec.json.decode(line, type=Done) for line in lines]
        except msgspec.DecodeError as error:
            raise OperatorError(f"{path} cannot be read ({error}); begin anew with FRESH=1.") from (
                error
            )

    def add(self, done: Done) -> None:
        """Write a trial down for good."""
        path = self.path / _TRIALS
        _cut_to_whole_lines(path)
        with path.open("ab") as lines:
            lines.write(msgspec.json.encode(done) + b"\n")
            lines.flush()
            os.fsync(lines.fileno())

    def _is_ours(self) -> bool:
        return (self.path / _RUN).is_file()

    def _clear(self) -> None:
        for name in _MADE:
            (self.path / name).unlink(missing_ok=True)
        shutil.rmtree(self.path / WATERFALLS, ignore_errors=True)


def differences(there: Run, here: Run) -> list[str]:
    """Say what makes the trials of one run no match for those of the other; dates do not."""
    pairs: Sequence[tuple[str, object, object]] = (
        ("RATE", f"{there.rate:g}", f"{here.rate:g}"),
        ("BATCH", there.batch, here.batch),
        ("SAMPLED", f"{there.sampled:g}", f"{here.sampled:g}"),
        ("processor", there.machine.processor, here.machine.processor),
        ("cores", there.machine.cores, here.machine.cores),
        ("memory", there.machine.memory_gib, here.machine.memory_gib),
        ("system", there.machine.system, here.machine.system),
        *(
            (name, number, here.machine.versions.get(name, number))
            for name, number in there.machine.versions.items()
        ),
    )
    changed = [f"{name} was {was} and is {now}" for name, was, now in pairs if was != now]
    if there.code != here.code:
        changed.append(f"code was {_code(there)} and is {_code(here)}")
    return changed


def digest(repository: Path = REPOSITORY) -> str:
    """Sum up the files that run and measure, so that a change of them is seen."""
    summed = hashlib.sha256()
    for path in sorted(path for part in _CODE for path in (repository / part).rglob("*")):
        if path.suffix in _SUFFIXES and path.is_file():
            summed.update(f"{path.relative_to(repository)}\0".encode() + path.read_bytes())
    return summed.hexdigest()[:12]


def _code(run: Run) -> str:
    return f"{run.code} (commit {run.machine.commit})"


def _cut_to_whole_lines(path: Path) -> None:
    if path.is_file():
        text = path.read_bytes()
        if not text.endswith(b"\n"):
            path.write_bytes(text[: text.rfind(b"\n") + 1])
