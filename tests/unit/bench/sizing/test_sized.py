"""What a rate of events takes, by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from bench.report import sheets
from bench.scaling.costs import Costs
from bench.sizing import report as sizing_report
from bench.sizing.sized import Assumed, Sized, Sizing, Told
from tests.unit.bench.made import MACHINE
from tests.unit.bench.scaling.test_growth import told as measured, worked
from tools.env import REPOSITORY

COSTS = Costs(
    batch=100,
    cpu_us={"ingest": 3, "normalize": 4, "decorate": 5, "sink": 6, "kafka": 2, "postgres": 10},
    http_bytes=200,
    log_bytes={"events.raw": 30, "events.normalized": 30, "events.decorated": 40},
    table_bytes=500,
    wal_bytes=1_000,
    copied_us=2,
    spans_per_request=14,
    bytes_per_span=400,
)
ASSUMED = Assumed(busy=0.5, copies=3, cores=16, network_gbit=10, disk_mb=500)
SIZING = Sizing(COSTS, ASSUMED, measured_cores=2)


def at(events_per_s: float, costs: Costs = COSTS) -> Sized:
    return Sizing(costs, ASSUMED, measured_cores=2).at(events_per_s)


def test_cores_have_their_headroom_and_a_broker_works_for_every_copy() -> None:
    found = at(1e6)

    # A million events of 6 µs are 6 s of work a second, on cores that are half busy.
    assert found.cores["sink"] == 12
    assert found.cores["kafka"] == 2 * 2 * 3
    assert found.replicas == {"ingest": 6, "normalize": 8, "decorate": 10, "sink": 12}


def test_a_topic_has_a_partition_for_each_replica_that_reads_it_in_dozens() -> None:
    assert at(1e6).partitions == 12
    assert at(1.01e6).partitions == 24
    # The door reads no topic.
    door = msgspec.structs.replace(COSTS, cpu_us={**COSTS.cpu_us, "ingest": 100})
    assert at(1e6, door).partitions == 12


def test_networks_carry_every_copy_to_followers_and_one_reader() -> None:
    found = at(1e6)

    assert found.http_gbit == pytest.approx(1.6)
    assert found.kafka_in_gbit == pytest.approx(100e6 * 3 * 8 / 1e9)
    assert found.kafka_out_gbit == pytest.approx(100e6 * 3 * 8 / 1e9)


def test_brokers_are_as_many_as_copies_cores_or_networks_need() -> None:
    assert at(1e4).brokers == 3
    # 10 million: 24 Gbit/s on networks of which 5 are used; 120 cores on machines of 16.
    assert at(1e7).brokers == 8
    heavy = msgspec.structs.replace(COSTS, log_bytes={"events.raw": 1_000})
    assert at(1e7, heavy).brokers == 48


def test_a_database_ends_at_its_cores_or_at_its_disk() -> None:
    # 500 MB/s half busy, of 1,000 bytes.
    assert SIZING.database_rate() == 250_000
    assert at(9e6).shards == 36
    light = Sizing(msgspec.structs.replace(COSTS, wal_bytes=100), ASSUMED, measured_cores=2)
    assert light.database_rate() == pytest.approx(800_000)


def test_limits_ascend_and_begin_with_the_machine_that_was_measured() -> None:
    limits = SIZING.limits()

    assert [one.events_per_s for one in limits] == sorted(one.events_per_s for one in limits)
    assert limits[0].what.startswith("the 2 cores")
    assert limits[0].events_per_s == pytest.approx(2 * 0.5 / 30e-6)
    by_name = {one.what: one.events_per_s for one in limits}
    assert by_name["one replica of sink"] == pytest.approx(0.5 / 6e-6)
    assert by_name["12 partitions a topic"] == pytest.approx(1e6)


def text_of(*rates: float) -> str:
    told = Told(
        machine=MACHINE,
        costs=COSTS,
        assumed=ASSUMED,
        sized=[at(rate) for rate in rates],
        limits=SIZING.limits(),
    )
    return sheets.markdown(sizing_report.account(told))


def test_each_decade_names_what_ends_first_in_it() -> None:
    text = text_of(1e6)

    assert "| 10,000 | nothing |" in text
    assert "| 100,000 | the 2 cores that were measured, with everything on them | 33,333 |" in text
    assert "| 1,000,000 | one door | 166,667 |" in text
    assert "| 10,000,000 | 12 partitions a topic | 1,000,000 |" in text


def test_spans_are_of_the_requests_that_are_sampled() -> None:
    # 10,000 requests a second of 14 spans of 400 bytes.
    text = text_of(1e6)

    assert "| 1.00% | 1,400 (0.56) |" in text
    assert "| 100.00% | 140,000 (56.00) |" in text


def test_the_arithmetic_of_nine_million_is_shown() -> None:
    text = text_of(1e6, 9e6)

    assert "`9,000,000 * 6.00 µs / 0.5 = 108.0 cores`" in text
    assert "`9,000,000 * 2.00 µs / 0.5 * 3 = 108.0 cores`" in text
    assert "comes about" not in text_of(1e6)


def test_it_is_worked_out_from_the_file_that_was_measured(tmp_path: Path) -> None:
    path, document = tmp_path / "scaling.json", tmp_path / "scale.md"
    path.write_bytes(msgspec.json.encode(measured([worked(1)])))

    ran = subprocess.run(  # noqa: S603  (our own command)
        [sys.executable, "-m", "bench", "sizing", path, "--write", document],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "<!-- sizing: written by the bench -->" in document.read_text()
    assert "9,000,000 * 5.00 µs / 0.6 = 75.0 cores" in document.read_text()


def test_another_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text("{}")

    ran = subprocess.run(  # noqa: S603  (our own command)
        [sys.executable, "-m", "bench", "sizing", path],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 1
    assert "bench scaling --json" in ran.stderr
