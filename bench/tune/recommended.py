"""The settings file that is recommended: what `make up SETTINGS=tuned.env` takes, and why."""

from __future__ import annotations

import textwrap

from bench.tune import knobs
from bench.tune.folder import Run
from bench.tune.front import Choice
from bench.tune.knobs import Changes
from tools import settings_file

_COLUMNS = 100


def text(run: Run, choice: Choice) -> str:
    """Write the file; without a choice it has remarks only, and the defaults stay."""
    machine = run.machine
    told = [
        f"Found by `make tune` on {machine.date}, commit {machine.commit}, {machine.cores} cores "
        f"of {machine.processor}, at {run.rate:,.0f} events/s, {run.batch} a request.",
        choice.why,
    ]
    lines = [line for one in told for line in _remark(one)]
    if choice.point is not None:
        lines += settings(choice.point.changes)
    written = "\n".join(lines) + "\n"
    # What is written must be what `make up` takes.
    settings_file.parse(written, "tuned.env")
    return written


def settings(changes: Changes) -> list[str]:
    """Write the lines of some values, each under what it does."""
    lines: list[str] = []
    for name, value in changes.items():
        knob = knobs.knob(name)
        lines += ["", *_remark(f"{name}: {knob.does}. The default is {knob.default}.")]
        lines += [f"{variable}={value}" for variable in knob.variables]
    return lines


def _remark(said: str) -> list[str]:
    return textwrap.wrap(said, _COLUMNS, initial_indent="# ", subsequent_indent="# ")
