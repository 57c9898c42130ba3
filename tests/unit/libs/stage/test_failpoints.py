"""Faults on purpose."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise

import pytest

from libs.errors import Rejected, Unavailable
from libs.stage.failpoints import Failpoints, read_failpoints

PLACE = "hop.handle"


async def test_without_faults_nothing_happens() -> None:
    await Failpoints().visit(PLACE)


async def test_a_delay_happens_at_the_visit_that_was_asked_for() -> None:
    failpoints = Failpoints(f"{PLACE}:delay_ms=50@2")
    took_s: list[float] = []
    for _ in range(3):
        began_s = time.monotonic()
        await failpoints.visit(PLACE)
        took_s.append(time.monotonic() - began_s)

    assert took_s[1] >= 0.05
    assert took_s[0] < 0.05 > took_s[2]


def test_a_chance_comes_about_as_often_as_it_says() -> None:
    (fault,) = read_failpoints(f"{PLACE}:delay_ms=1@0.1").values()

    assert 700 < sum(fault.is_due() for _ in range(10_000)) < 1_300


def test_a_kill_ends_the_process_at_once() -> None:
    script = (
        "import asyncio; from libs.stage.failpoints import Failpoints;"
        f"asyncio.run(Failpoints('{PLACE}:kill9').visit('{PLACE}')); print('alive')"
    )
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", script], capture_output=True, timeout=15, check=False
    )

    assert (done.returncode, done.stdout) == (-9, b"")


def test_a_stop_leaves_the_process_there_until_it_is_told_to_go_on() -> None:
    script = (
        "import asyncio; from libs.stage.failpoints import Failpoints;"
        f"asyncio.run(Failpoints('{PLACE}:stop').visit('{PLACE}')); print('on again')"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:  # noqa: S603
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        process.send_signal(signal.SIGCONT)
        printed, _ = process.communicate(timeout=15)

    assert os.WIFSTOPPED(status)
    assert printed == b"on again\n"


async def test_a_block_holds_everything_else_up() -> None:
    others: list[float] = []

    async def tick() -> None:
        while True:
            others.append(time.monotonic())
            await asyncio.sleep(0.005)

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0.02)
    await Failpoints(f"{PLACE}:block_ms=100").visit(PLACE)
    await asyncio.sleep(0.02)
    ticking.cancel()

    assert max(b - a for a, b in pairwise(others)) >= 0.1


@pytest.mark.parametrize("error", [Unavailable, Rejected, OSError, RuntimeError])
async def test_an_error_is_raised_by_its_name(error: type[Exception]) -> None:
    with pytest.raises(error, match=f"the failpoint {PLACE}"):
        await Failpoints(f"{PLACE}:raise={error.__name__}").visit(PLACE)


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "nowhere:kill9",
        f"{PLACE}:delay_ms=x",
        f"{PLACE}:kill9@2.5",
        f"{PLACE}:raise=KeyError",
        f"{PLACE}:stop=1",
    ],
)
def test_what_is_no_failpoint_is_refused_with_what_is(text: str) -> None:
    with pytest.raises(ValueError, match=r"NAME:delay_ms=N.* one of .*hop\.handle"):
        read_failpoints(text)
