"""Where and with what was measured."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec
import psutil

from tools.env import REPOSITORY
from tools.native import kafka
from tools.native.commands import output


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """A machine at a moment; `load_average` is of the minute before anything was started."""

    date: str
    commit: str
    processor: str
    cores: int
    memory_gib: int
    system: str
    load_average: float
    versions: dict[str, str]

    def having(self, name: str, version: str) -> Machine:
        """Return the same machine with one more version."""
        return msgspec.structs.replace(self, versions={**self.versions, name: version})


def look() -> Machine:
    """Look at this machine and at what is installed."""
    return Machine(
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        commit=_commit(),
        processor=_processor(),
        cores=os.cpu_count() or 1,
        memory_gib=round(psutil.virtual_memory().total / (1 << 30)),
        system=f"{platform.system()} {platform.release()}",
        load_average=round(os.getloadavg()[0], 2),
        versions={
            "Python": platform.python_version(),
            "Kafka": kafka.VERSION,
            "aiokafka": version("aiokafka"),
            "OpenTelemetry SDK": version("opentelemetry-sdk"),
        },
    )


def _commit() -> str:
    commit = output(["git", "-C", REPOSITORY, "rev-parse", "--short", "HEAD"]).strip()
    is_changed = bool(output(["git", "-C", REPOSITORY, "status", "--porcelain"]).strip())
    return f"{commit or 'unknown'}{' with changes' if is_changed else ''}"


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.machine()
    found = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return found.group(1) if found else platform.machine()
