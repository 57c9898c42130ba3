"""Whether a stage is ready, whether it is alive, and the end of one that is not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress

import stamina.instrumentation
from stamina.instrumentation import RetryDetails

from libs.errors import Unavailable
from libs.kafka import Consumer
from libs.stage import watchdog
from libs.stage.moving import Moving
from libs.stage.probes import Verdict, answering
from libs.stage.retry import Deeds, counted
from libs.stage.run import Stop
from libs.stage.settings import HealthSettings

_LOOK_EVERY_S = 1.0
# Of a question to a dependency; then it counts as not answered.
_ASK_LIMIT_S = 2.0
_NEVER = float("-inf")


class _Dependency:
    """Something that is asked over and over, and when it answered."""

    def __init__(self, name: str, ask: Callable[[], Awaitable[None]]) -> None:
        self._name = name
        self._ask = ask
        self._answered_s = _NEVER
        self._reason = ""
        # Since when every question was answered; `None` while they are not.
        self.answers_since_s: float | None = None

    async def question(self) -> None:
        try:
            async with asyncio.timeout(_ASK_LIMIT_S):
                await self._ask()
        except (Unavailable, TimeoutError) as error:
            self.answers_since_s = None
            self._reason = str(error) or f"not within {_ASK_LIMIT_S} s"
        else:
            self._answered_s = time.monotonic()
            if self.answers_since_s is None:
                self.answers_since_s = self._answered_s

    def missing(self, now_s: float, limit_s: float) -> str:
        """Say since when it has not answered; empty if that is not longer than the limit."""
        silent_s = now_s - self._answered_s
        if silent_s <= limit_s:
            return ""
        since = "yet" if self._answered_s == _NEVER else f"for {silent_s:.0f} s"
        return f"{self._name} has not answered {since}: {self._reason or 'not asked'}"


class Health:
    """What is known of one process; `kept` looks after it, and ends the process if it is dead.

    Alive never depends on whether a dependency answers: an outage of Kafka or of the database
    must not restart every replica.
    """

    def __init__(self, settings: HealthSettings, stop: Stop) -> None:
        self._settings = settings
        self._stop = stop
        self._dependencies: list[_Dependency] = []
        self._checks: list[Callable[[], None]] = []
        self._consumer: Consumer | None = None
        self._moving = Moving(settings, time.monotonic())
        self._deeds = Deeds()
        self._retried_s = _NEVER
        self._retry_reason = ""
        self._unmet_s = _NEVER
        self._has_started = False

    def depends_on(self, name: str, ask: Callable[[], Awaitable[None]]) -> None:
        """Ask something now and then; ready only while it answers. `ask` raises `Unavailable`."""
        self._dependencies.append(_Dependency(name, ask))

    def needs(self, check: Callable[[], None]) -> None:
        """Be ready only while `check` raises no `Unavailable`, which also excuses a standstill."""
        self._checks.append(check)

    @asynccontextmanager
    async def reading(self, consumer: Consumer) -> AsyncGenerator[None]:
        """Watch a reader that has started: alive only while it moves, or has a reason not to."""
        kafka = _Dependency("Kafka", consumer.ask)
        await kafka.question()
        self._dependencies.append(kafka)
        self._consumer = consumer
        self.started()
        try:
            yield
        finally:
            self._consumer = None
            self._dependencies.remove(kafka)

    def started(self) -> None:
        """Say that the start is over; a signal is from now on a drain."""
        self._has_started = True
        self._stop.begun()

    @asynccontextmanager
    async def kept(self) -> AsyncGenerator[None]:
        """Watch, and answer `/live` and `/ready` where the settings say so."""
        # What the caller's task does from here on counts as done by this process.
        counted.set(self._deeds)
        async with AsyncExitStack() as stack:
            stack.enter_context(watchdog.watching(self._settings.loop_still_s))
            stack.enter_context(self._noting_retries())
            await stack.enter_async_context(answering(self._settings, self.ready, self.live))
            looking = asyncio.create_task(self._look())
            looking.add_done_callback(lambda _done: self._stop.set())
            try:
                yield
            finally:
                looking.cancel()
                with suppress(asyncio.CancelledError):
                    await looking

    def ready(self) -> Verdict:
        """Tell whether work can be given to it, and if not why not."""
        if self._stop.is_set():
            return Verdict("draining", is_good=False)
        if not self._has_started:
            return Verdict("starting", is_good=False, reasons=self._missing())
        reasons = [*self._missing(), *self._unmet()]
        if self._consumer is not None:
            progress = self._consumer.progress
            if not progress.has_joined:
                reasons.append("the group is being rebalanced, or was not joined yet")
            elif not progress.readings and not reasons:
                return Verdict("standby", is_good=True)
        if reasons:
            return Verdict("not ready", is_good=False, reasons=reasons)
        return Verdict("ready", is_good=True)

    def live(self) -> Verdict:
        """Tell whether it works as it should; a process that does not ends itself soon."""
        reason = self._dead_because()
        return Verdict("not live", is_good=False, reasons=[reason]) if reason else Verdict("live")

    def _missing(self) -> list[str]:
        now_s, limit_s = time.monotonic(), self._settings.answer_limit_s
        missing = [one.missing(now_s, limit_s) for one in self._dependencies]
        if now_s - self._retried_s <= limit_s:
            missing.append(f"trying again: {self._retry_reason}")
        return [reason for reason in missing if reason]

    def _unmet(self) -> Generator[str]:
        for check in self._checks:
            try:
                check()
            except Unavailable as error:
                yield str(error)

    def _dead_because(self) -> str:
        if self._consumer is None or not self._has_started or self._stop.is_set():
            return ""
        return self._moving.standstill()

    async def _look(self) -> None:
        while not self._stop.is_set():
            await asyncio.gather(*(one.question() for one in self._dependencies))
            if self._consumer is not None and self._has_started:
                progress, now_s = self._consumer.progress, time.monotonic()
                self._moving.look(progress, self._excused_s(), now_s, self._deeds.count)
            if reason := self._dead_because():
                loop = asyncio.get_running_loop()
                watchdog.end_process(loop, watchdog.EXIT_NOT_LIVE, "not live", reason=reason)
            await asyncio.sleep(_LOOK_EVERY_S)

    def _excused_s(self) -> float:
        """Until when an outage explains that nothing moves."""
        now_s = time.monotonic()
        if any(self._unmet()):
            self._unmet_s = now_s
        since_s = [one.answers_since_s for one in self._dependencies]
        asked_s = (now_s if one is None else one for one in since_s)
        return max(self._retried_s, self._unmet_s, *asked_s)

    @contextmanager
    def _noting_retries(self) -> Generator[None]:
        hooks = stamina.instrumentation.get_on_retry_hooks()
        stamina.instrumentation.set_on_retry_hooks([*hooks, self._note_retry])
        try:
            yield
        finally:
            stamina.instrumentation.set_on_retry_hooks(hooks)

    def _note_retry(self, details: RetryDetails) -> None:
        self._retried_s = time.monotonic() + details.wait_for
        self._retry_reason = str(details.caused_by)
