"""Runs one trial on a stack: starts stages with its settings, loads them, measures, stops them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from bench.load import closed_loop as loads
from bench.stack.temporary import Stack
from bench.tune import knobs, plan, replicas, store, waterfalls
from bench.tune.batches import Log
from bench.tune.replicas import Replicas
from bench.tune.store import Part
from bench.tune.trial import Measured, Trial
from bench.watch.meter import metering, now_s
from bench.watch.rows import Rows, Window
from services.topology import DECORATE, TOPICS
from tools.errors import OperatorError
from tools.load.client import Client
from tools.load.plan import Plan
from tools.load.sender import Outcome, Sender

_PATH = "/v1/events"
_LOOK_AGAIN_S = 0.2
_CONNECTIONS = 16
_WARM_UP_REQUESTS = 10_000
_WARM_UP_EVENTS_MAX = 400_000
_STALL_LIMIT_S = 60.0
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
    rows: Rows
    load: Load
    folder: Path
    # How many records a second a stage gets; known after the first trial that is not slow.
    records_per_s: float = field(default=0.0)

    async def warm_up(self, show: Show) -> None:
        """Send as fast as the pipeline takes it: Kafka's Java still compiles itself."""
        batch, reached = self.load.batch, self.stack.reached
        events = min(_WARM_UP_REQUESTS * batch, _WARM_UP_EVENTS_MAX)
        load = await asyncio.to_thread(loads.written, events, batch)

        def sent(count: int) -> None:
            show(f"{count:,} of {load.events:,} events accepted")

        await self.rows.clear()
        async with replicas.running(self.stack, self._environ(Trial(phase="one")), {}) as stages:
            await loads.until_open(reached.ingest_url)
            await loads.send(load, reached.ingest_url, reached.api_key, _CONNECTIONS, sent)
            await self._stored(load.events, stages)
            await stages.stop()

    async def measure(self, trial: Trial, number: int, show: Show) -> Measured:
        """Try it. Raises `OperatorError` if the stages do not run with it."""
        show("starting the stages")
        await self.rows.clear()
        log = Log(self.stack.settings.data / "kafka", TOPICS)
        changes = {**trial.changes, **(plan.SLOW_REPLICAS if trial.phase == "slow" else {})}
        async with replicas.running(self.stack, self._environ(trial), changes) as stages:
            await loads.until_open(self.stack.reached.ingest_url)
            sent, cpu_s = await self._run(trial, stages, show)
            show("waiting for the last event")
            until_s = sent.window.last_s
            rebalances = stages.rebalances(sent.began_s, until_s)
            refused = stages.commits_refused(sent.began_s, until_s)
            if trial.phase == "slow":
                await stages.make_quick()
            await self._stored(len(sent.outcome.accepted) * self.load.batch, stages)
            await stages.stop()
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
            environ[f"{DECORATE.stage.upper()}_FAILPOINTS"] = f"hop.handle:delay_ms={delay_ms}"
        return environ

    async def _run(
        self, trial: Trial, stages: Replicas, show: Show
    ) -> tuple[_Sent, Mapping[str, float]]:
        load = self.load
        warm_up_s, window_s = load.warm_up_s, load.window_s
        if trial.phase == "slow":
            # What is watched is how it falls behind, from the first record on.
            warm_up_s, window_s = 0.0, max(window_s, _SLOW_WINDOW_MIN_S)
        whole_s = warm_up_s + window_s
        what = Plan.of(load.rate, whole_s, load.batch)
        headers = {"Api-Key": self.stack.reached.api_key, "Content-Type": "application/json"}
        client = Client(self.stack.reached.ingest_url, _PATH, headers)
        sender = Sender(client, what, retry_for_s=0)
        pids = {**stages.pids(), "kafka": self.stack.pids["kafka"]}
        show(f"under load for {whole_s:.0f} s")
        async with metering(pids) as meter:
            began_s = now_s()
            try:
                await sender.run(asyncio.Event())
            finally:
                client.close()
            # A sender that was held up ends later; what is measured has its own end.
            await asyncio.sleep(max(began_s + whole_s - now_s(), 0))
            stages.check()
            meter.sample()
            window = Window(began_s + warm_up_s, began_s + whole_s)
            cpu_s = meter.between(window.first_s, window.last_s)
        return _Sent(what, sender.outcome, began_s, window), cpu_s

    async def _stored(self, expected: int, stages: Replicas) -> None:
        """Wait for the last row, so that nothing of this trial is left for the next one."""
        grown_s = time.monotonic()
        while self.rows.count < expected:
            stages.check()
            if await self.rows.look():
                grown_s = time.monotonic()
            elif time.monotonic() - grown_s > _STALL_LIMIT_S:
                raise OperatorError(f"Only {self.rows.count:,} of {expected:,} events came out.")
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def _measured(
        self, trial: Trial, sent: _Sent, cpu_s: Mapping[str, float], log: Log
    ) -> Measured:
        window, batch = sent.window, sent.plan.batch
        seconds = window.last_s - window.first_s
        before = (window.first_s - sent.began_s) * sent.plan.rate_events_per_s / batch
        part = Part(sent.plan, sent.began_s, round(before) * batch)
        if trial.phase == "slow":
            # What a quick stage then stored in its place does not count.
            part = replace(part, until_s=window.last_s)
        url = self.stack.reached.database_url
        found = await store.times(url, part)
        # While the load lasted: afterwards nobody sends, and what is left comes faster.
        stored = await store.stored(url, sent.plan, window)
        if found is None or not stored:
            raise OperatorError("Nothing was stored within the window.")
        return Measured(
            offered=self.load.rate,
            accepted=len(sent.outcome.accepted) * batch / sent.plan.duration_s,
            stored=stored / seconds,
            time_to_glass=found.from_due,
            from_door=found.from_door,
            cpu_us={
                name: 1e6 * took_s / stored for name, took_s in replicas.of_stages(cpu_s).items()
            },
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
