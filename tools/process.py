"""One replica of one process of a stack, whoever runs it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Process:
    """One replica of one process, as what supervises it sees it."""

    name: str
    stage: str
    replica: int
    status: str
    is_healthy: bool
    pid: int | None
    restarts: int
    exit_code: int

    @property
    def state(self) -> str:
        """One word for an operator."""
        if self.status == "Running":
            return "ready" if self.is_healthy else "starting"
        if self.status == "Completed":
            return "done" if self.exit_code == 0 else "failed"
        names = {"Error": "failed", "Skipped": "waiting", "Terminating": "stopping"}
        return names.get(self.status, self.status.lower())

    @property
    def is_ready(self) -> bool:
        """Whether it does what it is there for, or has done it."""
        return self.state in {"ready", "done"}


@dataclass(frozen=True, slots=True)
class Said:
    """What a replica says of itself: one word, and why it is not "ready"."""

    status: str
    reasons: tuple[str, ...] = ()


_ORDER = (
    *("kafka", "postgres", "jaeger", "topics"),
    *("ingest", "normalize", "decorate", "sink", "glass"),
)


def order(process: Process) -> tuple[int, int]:
    """Sort processes as the flow goes: what the stages stand on, then the stages."""
    place = _ORDER.index(process.stage) if process.stage in _ORDER else len(_ORDER)
    return place, process.replica
