"""Rows of a database that is restarted, killed, cut off or away: F31, F37 to F40, and F48."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from tests.faults.processes import happens
from tests.faults.proxy import LostCommit, Proxy
from tests.faults.scene import Row, Scene
from tests.faults.sick import sick

_SETTLES_S = 4.0
_LOST_LIMIT_S = 40.0
_BACKENDS = "select pid from pg_stat_activity where application_name like 'sink-%'"


def restarted(*signals: signal.Signals) -> Callable[[Scene], None]:
    """Restart the database: SIGINT is a fast stop, SIGQUIT an immediate one, SIGKILL none."""

    def inject(scene: Scene) -> None:
        for number in signals:

            def end(number: signal.Signals = number) -> str:
                pid = scene.processes.pid("postgres")
                assert pid is not None
                os.kill(pid, number)
                is_other = happens(lambda: scene.processes.pid("postgres") not in (None, pid), 30.0)
                return f"pid {pid} got {number.name} and is gone" if is_other else ""

            scene.moment(f"postgres gets {number.name}", end)
            scene.under_load(_SETTLES_S)

    return inject


def backends_killed(times: int) -> Callable[[Scene], None]:
    """Kill the sink's backend at random moments; the server restarts all of them then."""

    def inject(scene: Scene) -> None:
        for _ in range(times - 1):
            scene.moment("kill -9 of a backend", lambda: _kill_backend(scene), is_followed=True)
            scene.under_load(random.uniform(0.5, 2.5))  # noqa: S311
        scene.moment("kill -9 of a backend", lambda: _kill_backend(scene))
        scene.under_load(_SETTLES_S)

    return inject


def away(stage: str, seconds: float) -> Callable[[Scene], None]:
    """Take the database, or the sink, away; the door takes events all the same."""

    def inject(scene: Scene) -> None:
        with (
            scene.fault(f"{stage} away for {seconds:g} s") as fault,
            scene.processes.away(stage) as fault.proof,
        ):
            before = scene.load.acked()
            scene.under_load(seconds)
            if scene.load.acked() == before:
                scene.record.complaints.append(f"nothing was accepted while {stage} was away")
        scene.under_load(_SETTLES_S)

    return inject


def lost_commits(scene: Scene) -> None:
    """Lose the answer to a COMMIT, or the COMMIT itself; the sink finds out which it was."""
    with _sick_sink(scene) as proxy:
        for is_before in (False, True):
            wish = LostCommit(every=3, is_before=is_before)
            what = "a COMMIT is lost" if is_before else "the answer to a COMMIT is lost"
            proxy.weather.wish = wish
            for _ in range(5):
                before = wish.happened
                with scene.fault(what) as fault:
                    if happens(lambda b=before, w=wish: w.happened > b, _LOST_LIMIT_S):
                        fault.proof = f"{wish.happened} were swallowed"
        proxy.weather.wish = None
        scene.under_load(_SETTLES_S)


def cut_off(scene: Scene) -> None:
    """Let a sink and the database not hear each other."""
    with _sick_sink(scene) as proxy:
        with scene.fault("sink is cut off from postgres") as fault:
            with proxy.deaf("to_server", "to_client"):
                scene.under_load(12.0)
            fault.proof = f"{proxy.held} pieces had to wait" if proxy.held else ""
        scene.under_load(_SETTLES_S)


def nothing_is_buried(verdict: Mapping[str, Any]) -> str:
    """A database that is away is no fault of an event."""
    count = verdict["dead_lettered"]
    return f"{count} events are dead letters" if count else ""


@contextmanager
def _sick_sink(scene: Scene) -> Iterator[Proxy]:
    """Run another sink that reaches the database through the proxy only."""
    port = urlsplit(scene.stack.values["DATABASE_URL"]).port
    assert port is not None
    with Proxy(0, port).listening() as proxy:
        url = scene.stack.values["DATABASE_URL"].replace(f":{port}/", f":{proxy.port}/")
        with sick(scene.stack, "sink", DATABASE_URL=url) as replica:
            replica.works()
            yield proxy


def _kill_backend(scene: Scene) -> str:
    for pid in asyncio.run(_backends(scene.stack.values["DATABASE_URL"])):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            return f"backend {pid} was killed"
    return ""


async def _backends(url: str) -> list[int]:
    async with asyncio.timeout(30):
        while True:
            # It may be on its way back from the last time.
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                connection = await asyncpg.connect(url, timeout=5)
                try:
                    if rows := await connection.fetch(_BACKENDS):
                        return [row["pid"] for row in rows]
                finally:
                    connection.terminate()
            await asyncio.sleep(0.1)


ROWS = (
    Row("F31.sink", "sink cut off from the database", cut_off, 40.0, rules=(nothing_is_buried,)),
    Row("F37", "database restarted, fast and immediate, and killed",
        restarted(signal.SIGINT, signal.SIGQUIT, signal.SIGKILL), 10.0, may_restart=("postgres",),
        faults_min=3, rules=(nothing_is_buried,)),
    Row("F38", "sink's backends killed", backends_killed(12), 10.0, is_bounded=True,
        faults_min=12, rules=(nothing_is_buried,)),
    Row("F39", "database away for 30 s", away("postgres", 30.0), 20.0,
        may_restart=("postgres",), rules=(nothing_is_buried,)),
    Row("F40", "COMMIT, or its answer, lost", lost_commits, 10.0, is_bounded=True,
        faults_min=10, rules=(nothing_is_buried,)),
    Row("F48", "backlog of a sink that was away for 20 s", away("sink", 20.0), 25.0,
        may_restart=("sink",)),
)  # fmt: skip
