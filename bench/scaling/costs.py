"""What one event takes of everything: processors, wire, disk; and what one span does."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import msgspec
import psutil

from bench.load.rig import Rig
from bench.stack.receiver import Kind, Receiver, address, receiving
from bench.watch.table import Connection
from services.topology import TOPICS
from tools.progress import Step

_PARTITION = re.compile(r"(?P<topic>.+)-\d+$")
# Each stage exports twice a second.
_EXPORTED_AFTER_S = 2.0
_COPIED_ROWS = 200_000


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """Of one event where nothing else is said, at `batch` events a request.

    `cpu_us` is by process, the database's with all of its own; `log_bytes` by topic, as the log
    has them and the wire carries them once. `copied_us` is of COPY alone, into a table without an
    index that nobody must find again after a crash.
    """

    batch: int
    cpu_us: dict[str, float]
    http_bytes: float
    log_bytes: dict[str, float]
    table_bytes: float
    wal_bytes: float
    copied_us: float
    spans_per_request: float
    bytes_per_span: float


@asynccontextmanager
async def weighing() -> AsyncGenerator[tuple[Receiver, Mapping[str, str]]]:
    """Listen for spans, and say what stages must be told to send them here, all of them."""
    async with receiving(Kind.HEALTHY) as scale:
        yield (
            scale,
            {
                **address(scale.port),
                "OTEL_TRACES_SAMPLER_ARG": "1",
                "TRACE_PER_SECOND_MAX": "1e9",
            },
        )


async def weigh(rig: Rig, scale: Receiver, requests: int) -> tuple[float, float]:
    """Send requests, all sampled; return their spans each, and the bytes of a span."""
    before = scale.spans, scale.size_bytes
    with Step(f"Weighing the spans of {requests:,} requests") as step:
        await rig.saturate(requests * rig.batch, step.update)
        await asyncio.sleep(_EXPORTED_AFTER_S)
    spans = scale.spans - before[0]
    return spans / requests, (scale.size_bytes - before[1]) / max(spans, 1)


def logged_bytes(data: Path) -> dict[str, int]:
    """Return what the log of each topic takes on a broker's disk."""
    found = dict.fromkeys(TOPICS, 0)
    for folder in data.iterdir():
        named = _PARTITION.match(folder.name)
        if named and named["topic"] in found:
            found[named["topic"]] += sum(one.stat().st_size for one in folder.glob("*.log"))
    return found


def body_bytes(bodies: Iterator[bytes], batch: int) -> float:
    """Return what an event takes of a request's body."""
    return len(next(bodies)) / batch


async def copied_us(connection: Connection) -> float:
    """Return the database's processor time for a row of COPY alone (µs)."""
    now = datetime.now(UTC)
    rows = [
        ("default", UUID(int=number), "cpu_utilization", 0.5, "1", now,
         '{"entity":"checkout","run":"none"}', "payments", "web", "eu", f"{number:032x}", now, now)
        for number in range(_COPIED_ROWS)
    ]  # fmt: skip
    await connection.execute("create temporary table copied (like event)")
    backend = psutil.Process(connection.get_server_pid())
    before = backend.cpu_times()
    await connection.copy_records_to_table("copied", records=rows)
    after = backend.cpu_times()
    return 1e6 * (after.user + after.system - before.user - before.system) / _COPIED_ROWS
