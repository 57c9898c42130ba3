"""The benches of load and of size, as short as they can be, each on a stack of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from bench.latency import curve
from bench.scaling import growth
from services.topology import PIPELINE
from tools.env import REPOSITORY

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

LIMIT_S = 280
# Jaeger gets so few spans here that its time may be none.
PROCESSES = (*(hop.stage for hop in PIPELINE), "kafka", "postgres")


def bench(*words: str | Path) -> None:
    ran = subprocess.run(  # noqa: S603  (our own command)
        [sys.executable, "-m", "bench", *words],
        cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=LIMIT_S,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr


def test_two_loads_make_a_curve_with_its_floor(tmp_path: Path) -> None:
    path, document = tmp_path / "latency.json", tmp_path / "benchmarks.md"
    shares = ("--share", "10", "--share", "50")

    bench("latency", *shares, "--peak", "2000", "--events", "2000", "--seconds", "2",
          "--rounds", "1", "--batch", "10", "--json", path, "--write", document)  # fmt: skip

    (found,) = msgspec.json.decode(path.read_bytes(), type=curve.Told).curves
    points = sorted(found.points, key=lambda point: point.share)
    assert [point.share for point in points] == [10, 50]
    for point in points:
        assert point.missing_events == 0
        assert point.refused == 0
        # Due, received and stored, one after the other, on one clock.
        assert point.due.p50_ms >= point.received.p50_ms > 0
        parts_ms = sum(part.mean_ms for part in point.floor.parts)
        assert parts_ms == pytest.approx(point.floor.whole.mean_ms)
        assert point.floor.commit.p50_ms > 0
    assert "<svg" in (tmp_path / "images" / "latency-10.svg").read_text()
    assert "Where the time goes at 10 % of the peak" in document.read_text()


def test_replicas_and_sizes_come_to_costs_that_a_rate_can_be_sized_by(tmp_path: Path) -> None:
    path, document = tmp_path / "scaling.json", tmp_path / "scale.md"
    replicas = ("--replicas", "1", "--replicas", "2")

    bench("scaling", *replicas, "--events", "5000", "--events-max", "0", "--rounds", "1",
          "--json", path)  # fmt: skip
    bench("sizing", path, "--write", document)

    told = msgspec.json.decode(path.read_bytes(), type=growth.Told)
    assert [run.made.replicas for run in told.by_replicas] == [1, 2]
    assert told.costs is not None
    assert all(told.costs.cpu_us[name] > 0 for name in PROCESSES)
    assert all(size > 0 for size in told.costs.log_bytes.values())
    # A whole waterfall for each request, also where several share a record.
    assert told.costs.spans_per_request == pytest.approx(14, abs=0.2)
    assert 100 < told.costs.bytes_per_span < 2_000
    assert "What a rate takes" in document.read_text()
