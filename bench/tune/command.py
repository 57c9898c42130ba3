"""`bench tune`: tries settings within a budget of time, and recommends some."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from bench.report import document
from bench.stack.temporary import on_a_stack
from bench.tune import (
    budget as budgets,
    folder as folders,
    front,
    page,
    recommended,
    remarks,
    trying,
)
from bench.tune.folder import Folder, Run
from bench.tune.page import Report
from bench.tune.trial import Done
from bench.watch import machine
from tools.errors import OperatorError

# Of the part of a document.
_NAME = "tuning"
_RATE_MAX = 1_000_000
_BATCH_MAX = 10_000
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)(s|m|h)?")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3_600}


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is tried, and where the results go.

    Parameters
    ----------
    rate
        Events a second, whatever the pipeline does.
    batch
        Events a request.
    sampled
        The share of requests that are traced, from 0 to 1.
    budget
        How long to go on, as 600, 90s, 10m or 1h; trials of an earlier call count.
    out
        A folder for the report, the recommended settings and all that was measured.
    fresh
        Forget what is in that folder, and begin anew.
    write
        A document to put the answers into, for example docs/tuning.md.
    """

    rate: Annotated[float, Parameter(validator=Number(gt=0, lte=_RATE_MAX))] = 5_000
    batch: Annotated[int, Parameter(validator=Number(gte=1, lte=_BATCH_MAX))] = 10
    sampled: Annotated[float, Parameter(validator=Number(gte=0, lte=1))] = 0.02
    budget: str = "10m"
    out: Path = Path("tuning")
    fresh: bool = False
    write: Path | None = None


def tune(options: Options | None = None) -> None:
    """Try settings under one load, on a stack of its own, and recommend what is worth it.

    Ctrl-C stops it; the same command goes on where it was. The report is one page, `report.html`,
    and `make up SETTINGS=tuning/tuned.env` takes the recommended settings (of OUT=tuning).
    """
    options = options or Options()
    budget_s = seconds(options.budget)
    if options.write is not None:
        document.check(options.write, _NAME)
    folder = Folder(options.out.resolve())
    run, dones = folder.begin(_run(options, budget_s), fresh=options.fresh)
    if dones:
        _say(f"{len(dones)} trials are in {options.out} and count; FRESH=1 begins anew.")
    plan = budgets.of(budget_s, run, dones)
    if plan.is_over:
        _say("The budget is spent, or nothing is left to try; a larger BUDGET goes on.")
    else:
        for remark in plan.remarks:
            _say(remark)
        folder.keep(run, fresh=options.fresh)
        _try(folder, run, dones, plan, options)
    _tell(folder, run, dones, options)


def seconds(text: str) -> float:
    """Read a length of time. Raises `OperatorError` if it is none."""
    found = _LENGTH.fullmatch(text.strip())
    length_s = float(found[1]) * _SECONDS[found[2] or ""] if found else 0.0
    if not length_s:
        raise OperatorError(f"BUDGET={text} is no length of time; write 600, 90s, 10m or 1h.")
    return length_s


def _run(options: Options, budget_s: float) -> Run:
    return Run(
        rate=options.rate,
        batch=options.batch,
        sampled=options.sampled,
        warm_up_s=budgets.WARM_UP_S,
        window_s=budgets.window_s(budget_s),
        machine=machine.look(),
        code=folders.digest(),
    )


def _try(folder: Folder, run: Run, dones: list[Done], plan: budgets.Plan, options: Options) -> None:
    deadline_s = time.monotonic() + plan.left_s
    try:
        on_a_stack(lambda stack: trying.go_on(stack, folder, run, dones, deadline_s))
    except BaseException:
        # Also after Ctrl-C: what is there is told.
        if dones:
            _tell(folder, run, dones, options)
            _say(f"Stopped with {len(dones)} trials; the same command goes on.")
        raise


def _tell(folder: Folder, run: Run, dones: Sequence[Done], options: Options) -> None:
    choice = front.choose(front.points(dones))
    tuned = recommended.text(run, choice)
    settings = options.out / folders.TUNED
    report = Report(run, dones, choice, tuned, settings, remarks.of(run, dones))
    (folder.path / folders.TUNED).write_text(tuned)
    (folder.path / folders.REPORT).write_text(page.html(report, folder.path))
    if options.write is not None:
        document.write(options.write, _NAME, page.markdown(report))
    for remark in report.remarks:
        _say(remark)
    _say(choice.why)
    _say(f"Report: {options.out / folders.REPORT}, settings: {settings}")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
