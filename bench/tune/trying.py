"""One trial after the other, each written down at once, until the time is over."""

from __future__ import annotations

import sys
import time

from bench.load.warming import warm_up
from bench.stack.temporary import Stack
from bench.tune import budget, plan, remarks
from bench.tune.folder import Folder, Run
from bench.tune.lab import Lab, Load, Show
from bench.tune.trial import Done, Trial
from bench.watch import table as tables
from services.topology import DECORATE
from tools.errors import OperatorError
from tools.progress import Step

_BAR_CHARS = 20
# Of each run of the warm-up: fewer than other benches have, for a budget may be minutes.
_WARM_UP_EVENTS = 100_000


async def go_on(
    stack: Stack, folder: Folder, run: Run, dones: list[Done], deadline_s: float
) -> None:
    """Add trials to `dones` until `deadline_s`, or until nothing is left; at least one."""
    load = Load(run.rate, run.batch, run.sampled, run.warm_up_s, run.window_s)
    async with tables.opened(stack.reached.database_url) as table:
        lab = Lab(stack, table, load, folder.path, records_per_s(dones))
        clock = _Clock(deadline_s)
        await warm_up(stack, table, _WARM_UP_EVENTS)
        with Step("Warming up, a trial") as step:
            # The first after that is still dearer than the others, so it does not count.
            await lab.measure(Trial(phase="one"), 0, clock.telling(step))
        added = 0
        while (trial := plan.following(dones)) is not None:
            if added and clock.left_s < budget.expected_s(run, dones):
                return
            title = f"{clock.bar} trial {len(dones) + 1}, {trial.title}"
            with Step(title) as step:
                done = await _done(lab, trial, len(dones) + 1, clock, step)
            folder.add(done)
            dones.append(done)
            added += 1
            _warn(run, dones)


def records_per_s(dones: list[Done]) -> float:
    """Return how many records a second decorate got in the last trial that was not slow."""
    for done in reversed(dones):
        if done.measured is not None and done.trial.phase != "slow":
            return done.measured.written[DECORATE.reads].records_per_s
    return 0.0


async def _done(lab: Lab, trial: Trial, number: int, clock: _Clock, step: Step) -> Done:
    began_s = time.monotonic()
    try:
        measured, error = await lab.measure(trial, number, clock.telling(step)), ""
    except OperatorError as failure:
        if not trial.changes and trial.phase != "slow":
            # Without the defaults there is nothing to compare with.
            raise
        measured, error = None, str(failure)
    took_s = time.monotonic() - began_s
    return Done(number=number, trial=trial, took_s=took_s, measured=measured, error=error)


def _warn(run: Run, dones: list[Done]) -> None:
    first = dones[0].measured
    if len(dones) == 1 and first is not None and (said := remarks.too_much(run, first)):
        sys.stdout.write(said + "\n")
        sys.stdout.flush()


class _Clock:
    """How much of the time is gone."""

    def __init__(self, deadline_s: float) -> None:
        self._began_s = time.monotonic()
        self._deadline_s = deadline_s

    @property
    def left_s(self) -> float:
        return max(self._deadline_s - time.monotonic(), 0.0)

    @property
    def bar(self) -> str:
        whole_s = max(self._deadline_s - self._began_s, 1.0)
        full = round(_BAR_CHARS * (1 - self.left_s / whole_s))
        return "█" * full + "░" * (_BAR_CHARS - full)

    def telling(self, step: Step) -> Show:
        def tell(what: str) -> None:
            gone_s = time.monotonic() - self._began_s
            step.update(f"{what}; {_clock(gone_s)} gone, {_clock(self.left_s)} left")

        return tell


def _clock(length_s: float) -> str:
    return f"{int(length_s) // 60}:{int(length_s) % 60:02}"
