"""The tuning lab on a real stack: stopped, gone on with, told, and its settings taken by `up`."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec
import psutil
import pytest

from bench.tune import recommended
from bench.tune.trial import Done
from libs.tracing import names
from tests.modes import native_only
from tests.pages import Page
from tests.stack import Stack, eventually, free_port_base, members, read_env, run_ttg
from tools import settings_file

pytestmark = [
    pytest.mark.stack,
    pytest.mark.timeout(1_900),
    native_only("The stack of a bench is native, whatever MODE says."),
]

# A first start on an empty machine builds Jaeger.
TRIED_LIMIT_S = 1_800.0
COMMAND_LIMIT_S = 300.0
STOP_LIMIT_S = 60.0
LINGER_MS = 300
EARLY_MS = 1.0
PRODUCERS = 3


def command(out: Path, budget: str, rate: int = 300) -> list[str]:
    load = ["--rate", str(rate), "--batch", "5", "--sampled", "1"]
    return [sys.executable, "-m", "bench", "tune", *load, "--budget", budget, "--out", str(out)]


def run(out: Path, budget: str, **load: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  (our own command)
        command(out, budget, **load),
        env=environ(out),
        capture_output=True,
        text=True,
        timeout=COMMAND_LIMIT_S,
        check=False,
    )


def environ(out: Path) -> dict[str, str]:
    # Its stack is then where nobody else's is.
    return {**os.environ, "TMPDIR": str(out.parent)}


def trials(out: Path) -> list[Done]:
    path = out / "trials.jsonl"
    *lines, _half = path.read_bytes().split(b"\n") if path.exists() else [b""]
    return [msgspec.json.decode(line, type=Done) for line in lines]


def members_in(folder: Path) -> Iterator[str]:
    """The processes of stacks whose state is in a folder."""
    for process in psutil.process_iter():
        try:
            if process.environ().get("TTG_STACK", "").startswith(str(folder)):
                yield process.name()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue


def test_a_run_that_is_stopped_goes_on_and_ends_with_a_report(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with subprocess.Popen(  # noqa: S603  (our own command)
        command(out, "10m"), env=environ(out), stdout=subprocess.PIPE, text=True
    ) as stopped:
        eventually(lambda: trials(out) or stopped.poll() is not None, TRIED_LIMIT_S)
        assert [*members_in(tmp_path)]
        # As Ctrl-C does, which is ignored by what a shell runs in the background.
        stopped.send_signal(signal.SIGTERM)
        said, _ = stopped.communicate(timeout=STOP_LIMIT_S)

    assert stopped.returncode == 130
    assert "the same command goes on" in said
    assert not [*members_in(tmp_path)]
    before = trials(out)
    assert Page((out / "report.html").read_text()).links

    other = run(out, "10m", rate=301)
    assert other.returncode == 1
    assert "RATE was 300 and is 301" in other.stderr

    # About one more: what is spent counts, and a call makes one at least.
    again = run(out, "50")
    assert again.returncode == 0, again
    after = trials(out)
    assert after[: len(before)] == before
    assert len(after) > len(before)
    assert [one.number for one in after] == [*range(1, len(after) + 1)]
    assert not [*members_in(tmp_path)]
    for one in after:
        check(one)
    check_report(out, settings=len({one.trial.title for one in after}))
    settings_file.read(out / "tuned.env")


def check(done: Done) -> None:
    """Look at the figures of a trial: the load was stored while it lasted, and cost something."""
    one = done.measured
    assert one is not None, done.error
    assert one.accepted == 300
    assert one.share > 0.7
    # A timer may be early by as much.
    assert 0 < one.from_door.p50 <= one.time_to_glass.p50 + EARLY_MS
    assert one.time_to_glass.p50 <= one.time_to_glass.p99
    assert all(one.cpu_us[name] > 0 for name in ("ingest", "normalize", "decorate", "sink"))
    assert all(each.batches_per_s > 0 for each in one.written.values())
    # 60 requests a second; those that wait for each other share a record.
    assert 5 < one.written["events.raw"].records_per_s < 70
    assert one.traces > 10


def check_report(out: Path, settings: int) -> None:
    """Read the report: its links lead somewhere, and its pictures are waterfalls."""
    page = Page((out / "report.html").read_text())
    assert {link.removeprefix("#") for link in page.links} <= page.ids
    assert len(page.ids) == settings
    assert page.seen["img"] == len(page.fetched) == 2 * settings
    for picture in page.fetched:
        kind, _, data = picture.partition(",")
        assert kind == "data:image/svg+xml;base64"
        drawn = base64.b64decode(data).decode()
        for name in (names.ROOT, "process events.raw", names.COMMIT):
            assert f">{name}<" in drawn


def test_a_settings_file_reaches_every_stage_also_those_that_come_later(tmp_path: Path) -> None:
    state_dir, port_base = tmp_path / "state", free_port_base()
    wrong, tuned, other = (tmp_path / f"{name}.env" for name in ("wrong", "tuned", "other"))
    wrong.write_text("KAFKA_LINGR_MS=5\n")
    chosen = {"linger.ms": str(LINGER_MS), "DECORATE_REPLICAS": "2"}
    tuned.write_text("\n".join(recommended.settings(chosen)))
    other.write_text("KAFKA_LINGER_MS=1\n")

    refused = run_ttg(state_dir, port_base, "up", "--settings", str(wrong))
    assert refused.returncode == 1
    assert "no stage has a setting KAFKA_LINGR_MS. Is KAFKA_LINGER_MS meant?" in refused.stderr
    assert not state_dir.exists()
    try:
        up = run_ttg(state_dir, port_base, "up", "--settings", str(tuned), limit_s=TRIED_LIMIT_S)
        assert up.returncode == 0, f"{up.stdout}\n{up.stderr}"
        stack = Stack(state_dir, port_base, read_env(state_dir))
        assert lingers(stack, "decorate") == [str(LINGER_MS)] * 2
        assert lingers(stack, "sink") == [str(LINGER_MS)]
        assert took_s(stack) >= (PRODUCERS * LINGER_MS - EARLY_MS) / 1_000

        assert stack.ttg("up", "--settings", str(tuned)).returncode == 0
        changed = stack.ttg("up", "--settings", str(other))
        assert changed.returncode == 1
        assert "up with other settings; run `make down` first" in changed.stderr

        assert stack.ttg("scale", "normalize", "2").returncode == 0
        assert lingers(stack, "normalize") == [str(LINGER_MS)] * 2
    finally:
        clean = run_ttg(state_dir, port_base, "clean")
    assert clean.returncode == 0, clean
    assert not members(state_dir)


def lingers(stack: Stack, stage: str) -> list[str]:
    """What each replica of a stage was told of linger.ms."""
    pids = stack.pids(stage).values()
    return [psutil.Process(pid).environ()["KAFKA_LINGER_MS"] for pid in pids]


def took_s(stack: Stack) -> float:
    """The time to glass of one event."""
    name = "tuned.probe"
    assert stack.post({"name": name, "value": 1}).status == 202
    (event,) = eventually(lambda: stack.events(f"name={name}"))
    stored, received = (datetime.fromisoformat(event[f"{at}_at"]) for at in ("stored", "received"))
    return (stored - received).total_seconds()
