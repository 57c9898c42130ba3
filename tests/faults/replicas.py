"""The row of a topic that has too few replicas: F25. Two brokers keep it, and one of them ends."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from services.topology import INGEST
from tests.faults import groups
from tests.faults.processes import READY_LIMIT_S, Processes, happens
from tests.faults.scene import NO_ENTRANCE, Entrance, Row, Scene
from tests.faults.sick import free_port

_BOTH, _FIRST = (1, 2), (1,)
# What was acked before the replica had gone, and is counted after.
_ON_ITS_WAY_S = 1.0
_FEW_S = 10.0
_SETTLES_S = 4.0
_STOP_LIMIT_S = 30.0


class Second:
    """A second broker, that is no controller; it runs as the first one does."""

    def __init__(self, processes: Processes) -> None:
        self.servers = processes.stack.kafka_bootstrap_servers
        first = psutil.Process(processes.pid("kafka") or 0)
        self._java, self._environ = first.cmdline(), first.environ()
        folder = processes.settings.data / "kafka-second"
        folder.mkdir()
        _make(folder, Path(self._java[-1]), processes.settings.data / "kafka")
        self._config = folder / "kafka.properties"
        self._log = processes.settings.logs / "kafka-second.log"
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        """Start it, for the first time or again."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603  (our own command)
                [*self._java[:-1], str(self._config)], env=self._environ, stdout=log, stderr=log
            )
        return self.process

    def end(self) -> str:
        """End it, and wait until it is out of sync; returns the proof."""
        self.process.terminate()
        self.process.wait(_STOP_LIMIT_S)
        return f"pid {self.process.pid} has ended" if self.are_in_sync(_FIRST) else ""

    def move(self, replicas: Sequence[int]) -> None:
        """Let these brokers keep the topic."""

        def is_asked() -> bool:
            # A broker that has just been started is not known yet.
            return asyncio.run(groups.reassign(self.servers, INGEST.writes, replicas))

        is_moved = happens(is_asked, READY_LIMIT_S) and self.are_in_sync(replicas)
        assert is_moved, self._log.read_text()[-2_000:]

    def are_in_sync(self, replicas: Sequence[int]) -> bool:
        """Wait until each partition has these replicas in sync, and no other."""

        def are() -> bool:
            return asyncio.run(groups.in_sync(self.servers, INGEST.writes)) == {tuple(replicas)}

        return happens(are, READY_LIMIT_S)


def _make(folder: Path, config: Path, data: Path) -> None:
    """Give the second broker its configuration, and a folder with the identity of the cluster."""
    address = f"PLAINTEXT://127.0.0.1:{free_port()}"
    others = {
        "process.roles": "broker",
        "node.id": "2",
        "listeners": address,
        "advertised.listeners": address,
        "log.dirs": str(folder / "log"),
    }
    kept = [line for line in config.read_text().splitlines() if line.split("=")[0] not in others]
    lines = [*kept, *(f"{name}={value}" for name, value in others.items())]
    (folder / "kafka.properties").write_text("\n".join(lines))
    (folder / "log").mkdir()
    meta = (data / "meta.properties").read_text().splitlines()
    cluster = [line for line in meta if line.startswith(("cluster.id", "version"))]
    (folder / "log" / "meta.properties").write_text("\n".join([*cluster, "node.id=2", ""]))


@contextmanager
def on_two_brokers(processes: Processes) -> Iterator[Entrance]:
    """Let two brokers keep what the door writes, and have both acknowledge it."""
    second = Second(processes)
    try:
        second.move(_BOTH)
        asyncio.run(groups.configure(second.servers, INGEST.writes, {"min.insync.replicas": "2"}))
        processes.guests["second"] = second
        yield NO_ENTRANCE
    finally:
        asyncio.run(groups.configure(second.servers, INGEST.writes, {}))
        second.move(_FIRST)
        second.end()


def too_few(scene: Scene) -> None:
    """End one of two brokers: the door accepts nothing until it is back."""
    second: Second = scene.processes.guests["second"]
    with scene.fault("one of the two replicas that must have a record is away") as fault:
        fault.proof = second.end()
        scene.under_load(_ON_ITS_WAY_S)
        before = scene.load.acked()
        scene.under_load(_FEW_S)
        if more := scene.load.acked() - before:
            scene.record.complaints.append(f"{more} events were acked by too few replicas")
        second.start()
        assert second.are_in_sync(_BOTH)
    scene.under_load(_SETTLES_S)


ROWS = (
    Row("F25", "one of two replicas away for 10 s", too_few, 15.0, is_p0=False,
        entrance=on_two_brokers),
)  # fmt: skip
