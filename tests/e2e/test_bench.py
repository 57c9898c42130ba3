"""The benches, as short as they can be, each on a stack of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from bench.comparison.report import Report as Compared
from bench.latency import curve
from bench.peers import environment
from bench.peers.figures import Figures, cpu_us, events_per_s, p50_ms, p99_ms
from bench.peers.report import Report as Contest
from bench.scaling import growth
from bench.soak.steady import Told as Soaked
from services.topology import PIPELINE
from tests.modes import native_only
from tools.env import REPOSITORY

Told = TypeVar("Told")

pytestmark = [
    pytest.mark.stack,
    pytest.mark.timeout(300),
    native_only("The stack of a bench is native, whatever MODE says."),
]

LIMIT_S = 280
# Jaeger gets so few spans here that its time may be none.
PROCESSES = (*(hop.stage for hop in PIPELINE), "kafka", "postgres")


def bench(*words: str | Path, may_say: str = "") -> None:
    ran = subprocess.run(  # noqa: S603  (our own command)
        [sys.executable, "-m", "bench", *words],
        cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=LIMIT_S,
    )  # fmt: skip
    assert ran.returncode == 0 or (may_say and may_say in ran.stderr), ran.stderr


def told(words: Sequence[str], path: Path, kind: type[Told], may_say: str = "") -> Told:
    bench(*words, "--json", path, may_say=may_say)
    return msgspec.json.decode(path.read_bytes(), type=kind)


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


def test_every_span_of_a_good_and_of_a_dead_collector_is_counted(tmp_path: Path) -> None:
    variants = ("--variant", "healthy", "--variant", "dead")
    scenarios = ("--scenario", "apart", "--scenario", "together")
    words = ("collector", *variants, *scenarios, "--events", "4000", "--rounds", "1")

    lines = told(words, tmp_path / "found.json", Compared).lines
    assert [line.part for line in lines] == [
        part for part in ("door", "stages", "pipeline") for _ in ("healthy", "dead")
    ]
    for line in lines:
        assert line.events_per_s.median > 0
        assert line.spans.emitted > 0
        assert (line.spans.exported == 0) is (line.variant == "dead")


def test_a_soak_accounts_for_every_event_it_sent(tmp_path: Path) -> None:
    words = ("soak", "--minutes", "0.5", "--peak", "400", "--batch", "10", "--events", "1000")

    # In so short a time caches are still filling.
    found = told(words, tmp_path / "found.json", Soaked, may_say="It grows")
    assert found.accepted == found.stored == 0.5 * 60 * 0.8 * 400
    assert found.refused == 0
    for line in found.lines:
        assert all(mib > 0 for _, mib in line.rss_mib)
        assert all(us > 0 for _, us in line.us_per_event)


@pytest.mark.skipif(environment.found() is None, reason="the peers are not installed")
def test_ours_is_measured_as_peers_are_and_so_are_the_limits(tmp_path: Path) -> None:
    words = ("peers", "--only", "ours", "--batch", "10", "--sampled", "1", "--rounds", "1",
             "--window-s", "2", "--events", "30000", "--rate", "50")  # fmt: skip

    figures = Figures(told(words, tmp_path / "found.json", Contest).figures)
    for part in ("door", "chain", "whole", "glass", "limit"):
        for cell in figures.cells(part):
            for value in (events_per_s, cpu_us):
                found = figures.spread(cell, value)
                assert found is not None
                assert found.median > 0
    (glass,) = figures.cells("glass")
    (quick, slow) = (figures.spread(glass, value) for value in (p50_ms, p99_ms))
    assert quick is not None
    assert slow is not None
    assert 0 < quick.median <= slow.median
