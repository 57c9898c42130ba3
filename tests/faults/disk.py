"""The row of a broker whose disk is full: F26. The disk is a small one, for this row only."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.faults.processes import Processes, happens
from tests.faults.scene import NO_ENTRANCE, Entrance, Row, Scene

_ROOM_BYTES = 64 << 20
_CHUNK = bytes(1 << 20)
_STOPS_LIMIT_S = 20.0
_FULL_S = 10.0
_SETTLES_S = 4.0


@contextmanager
def on_small_disk(processes: Processes) -> Iterator[Entrance]:
    """Keep the broker's log on a disk in memory until the load is over; needs to be root."""
    assert os.geteuid() == 0, "F26 mounts a disk for the broker: run it as root"
    data = processes.settings.data / "kafka"
    beside = data.with_name("kafka-beside")
    with processes.away("kafka"):
        data.rename(beside)
        data.mkdir()
        used_bytes = sum(file.stat().st_size for file in beside.rglob("*"))
        size = f"size={used_bytes + _ROOM_BYTES},mode=700"
        _run("mount", "-t", "tmpfs", "-o", size, "tmpfs", str(data))
        shutil.copytree(beside, data, dirs_exist_ok=True)
    try:
        processes.guests["disk"] = data
        yield NO_ENTRANCE
    finally:
        with processes.away("kafka"):
            shutil.rmtree(beside)
            shutil.copytree(data, beside)
            _run("umount", str(data))
            data.rmdir()
            beside.rename(data)


def full(scene: Scene) -> None:
    """Fill the disk until the broker stops, and free it: the supervisor starts the broker again."""
    disk: Path = scene.processes.guests["disk"]
    pid = scene.processes.pid("kafka")
    ballast = disk / "ballast"
    with scene.fault("kafka's disk is full") as fault:
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(_CHUNK):
                pass
        left_bytes = shutil.disk_usage(disk).free
        if happens(lambda: scene.processes.pid("kafka") != pid, _STOPS_LIMIT_S):
            fault.proof = f"{left_bytes} bytes were left, and pid {pid} is gone"
        scene.under_load(_FULL_S)
        ballast.unlink()
    scene.processes.until_ready("kafka")
    scene.under_load(_SETTLES_S)


def _run(*words: str) -> None:
    subprocess.run(words, check=True)  # noqa: S603  (our own command)


ROWS = (
    Row("F26", "broker's disk is full for 10 s", full, 20.0, is_p0=False, may_restart=("kafka",),
        entrance=on_small_disk),
)  # fmt: skip
