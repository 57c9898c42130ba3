"""Faults on purpose."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

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


@pytest.mark.parametrize(
    "text", ["hello", "nowhere:kill9", f"{PLACE}:delay_ms=x", f"{PLACE}:kill9@2.5"]
)
def test_what_is_no_failpoint_is_refused_with_what_is(text: str) -> None:
    with pytest.raises(ValueError, match=r"NAME:delay_ms=N .* one of hop\.handle"):
        read_failpoints(text)
