"""Runs one trial on a stack: starts stages with its settings, loads them, measures, stops them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from bench.load import door
from bench.stack.fleet import Fleet
from bench.stack.temporary import Stack
from bench.tune import knobs, plan, replicas, store, waterfalls
from bench.tune.batches import Log
from bench.tune.store import Part
from bench.tune.trial import Measured, Trial
from bench.watch.meter import metering, now_s, us_per_event
from bench.watch.table import Table, Window
from services.topology import DECORATE, TOPICS
from tools.errors import OperatorError
from tools.load.plan import Plan
from tools.load.sender import Outcome, Sender

# Until a stage that is slow has fallen so far behind that one poll takes longer than it may.
_SLOW_WINDOW_MIN_S = 12.0

# Gets what is done in a trial.
Show = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Load:
    """The load of all trials; the window that is measured comes after the warm-up."""

    rate: float
    batch: int
    sampled: float
    warm_up_s: float
    window_s: float


@dataclass(slots=True)
class Lab:
    """A stack whose stages are started anew for each trial."""

    stack: Stack
    table: Table
    load: Load
    folder: Path
    # How many records a second a stage gets; known after the first trial that is not slow.
    records_per_s: float = field(default=0.0)

    async def measure(self, trial: Trial, number: int, show: Show) -> Measured:
        """Try it. Raises `OperatorError` if the stages do not run with it."""
        show("starting the stages")
        await self.table.clear()
        log = Log(self.stack.settings.data / "kafka", TOPICS)
        changes = {**trial.changes, **(plan.SLOW_REPLICAS if trial.phase == "slow" else {})}
        environ = self._environ(trial)
        async with replicas.running(self.stack, environ, changes) as working:
            sent, cpu_s = await self._run(trial, working, show)
            show("waiting for the last event")
            until_s = sent.window.last_s
            rebalances = replicas.rebalances(working, sent.began_s, until_s)
            refused = replicas.commits_refused(working, sent.began_s, until_s)
            if trial.phase == "slow":
                await replicas.make_quick(working, environ)
            # Nothing of this trial is left for the next one.
            accepted = len(sent.outcome.accepted) * self.load.batch
            await self.table.until(accepted, working.check, show)
            await working.drain()
        show("reading what it left")
        measured = await self._measured(trial, sent, cpu_s, log)
        measured = msgspec.structs.replace(measured, rebalances=rebalances, commits_refused=refused)
        if trial.phase == "slow":
            return measured
        self.records_per_s = measured.written[DECORATE.reads].records_per_s
        among, median, slowest = await asyncio.to_thread(
            waterfalls.keep, self.stack.reached.jaeger_url, self.folder, number,
            sent.window.first_s, until_s,
        )  # fmt: skip
        return msgspec.structs.replace(measured, traces=among, median=median, slowest=slowest)

    def _environ(self, trial: Trial) -> dict[str, str]:
        environ = {
            "OTEL_TRACES_SAMPLER_ARG": str(self.load.sampled),
            **knobs.environ(trial.changes),
        }
        if trial.phase == "slow":
            delay_ms = plan.slow_ms(self.records_per_s)
            environ[replicas.FAILPOINTS] = f"hop.handle:delay_ms={delay_ms}"
        return environ

    async def _run(
        self, trial: Trial, working: Fleet, show: Show
    ) -> tuple[_Sent, Mapping[str, float]]:
        load = self.load
        warm_up_s, window_s = load.warm_up_s, load.window_s
        if trial.phase == "slow":
            # What is watched is how it falls behind, from the first record on.
            warm_up_s, window_s = 0.0, max(window_s, _SLOW_WINDOW_MIN_S)
        whole_s = warm_up_s + window_s
        what = Plan.of(load.rate, whole_s, load.batch)
        pids = {**working.pids, "kafka": self.stack.pids["kafka"]}
        show(f"under load for {whole_s:.0f} s")
        with door.client(self.stack.reached) as client:
            sender = Sender(client, what, retry_for_s=0)
            async with metering(pids) as meter:
                began_s = now_s()
                await sender.run(asyncio.Event())
                # A sender that was held up ends later; what is measured has its own end.
                await asyncio.sleep(max(began_s + whole_s - now_s(), 0))
                working.check()
                meter.sample()
                window = Window(began_s + warm_up_s, began_s + whole_s)
                cpu_s = meter.between(window.first_s, window.last_s)
        return _Sent(what, sender.outcome, began_s, window), cpu_s

    async def _measured(
        self, trial: Trial, sent: _Sent, cpu_s: Mapping[str, float], log: Log
    ) -> Measured:
        window, batch = sent.window, sent.plan.batch
        before = (window.first_s - sent.began_s) * sent.plan.rate_events_per_s / batch
        part = Part(sent.plan, sent.began_s, round(before) * batch)
        if trial.phase == "slow":
            # What a quick stage then stored in its place does not count.
            part = replace(part, until_s=window.last_s)
        connection = self.table.connection
        found = await store.times(connection, part)
        # While the load lasted: afterwards nobody sends, and what is left comes faster.
        stored = await store.stored(connection, sent.plan, window)
        if found is None or not stored:
            raise OperatorError("Nothing was stored within the window.")
        return Measured(
            offered=self.load.rate,
            accepted=len(sent.outcome.accepted) * batch / sent.plan.duration_s,
            stored=stored / window.took_s,
            time_to_glass=found.from_due,
            from_door=found.from_door,
            cpu_us=us_per_event(replicas.of_stages(cpu_s), stored),
            rebalances={},
            commits_refused=0,
            written=log.written(window.first_s, window.last_s),
        )


@dataclass(frozen=True, slots=True)
class _Sent:
    plan: Plan
    outcome: Outcome
    began_s: float
    window: Window
