"""What the contest prints, writes into a document and draws."""

from __future__ import annotations

import io
from xml.etree import ElementTree

import msgspec
from rich.console import Console

from bench.peers.figures import Cell, Figure
from bench.peers.report import Report, account
from bench.report import sheets
from tests.unit.bench.made import MACHINE

WITH_PEERS = MACHINE.having("FastStream", "0.7")


def figure(
    cell: Cell, number: int, per_s: float, cpu_us: float, p50_ms: float = 0, p99_ms: float = 0
) -> Figure:
    return Figure(
        cell=cell,
        round=number,
        events=1_000,
        took_s=1_000 / per_s,
        cpu_us_per_event={"sink": cpu_us, "kafka": 1_000},
        p50_ms=p50_ms,
        p99_ms=p99_ms,
    )


def report() -> Report:
    made: list[Figure] = []
    for number, factor in ((1, 1.0), (2, 2.0), (3, 1.5)):
        made += [
            figure(Cell("chain", "blog", 1, 1), number, 500 * factor, 1_000),
            figure(Cell("chain", "reference", 1, 0), number, 10_000 * factor, 80),
            figure(Cell("door", "ours", 100, 1), number, 200_000, 4),
            figure(Cell("chain", "ours", 100, 1), number, 35_000 * factor, 10),
            figure(Cell("whole", "ours", 100, 1), number, 30_000, 15),
            figure(Cell("glass", "blog", 1, 1), number, 300, 900, 12.5, 40),
            figure(Cell("glass", "ours", 1, 1), number, 300, 200, 6.25, 9),
            figure(Cell("limit", "COPY alone", 0, 0), number, 300_000, 1.5),
        ]
    return Report(machine=WITH_PEERS, rounds=3, window_s=5, rate_events_per_s=300, figures=made)


def written(told: Report | None = None) -> str:
    return sheets.markdown(account(told or report()))


def test_a_peer_stands_beside_ours_in_its_round() -> None:
    text = written()

    assert "| blog | 1 % | 0.75 (0.50-1.00) | 1000 | 70 x | 100 x |" in text
    # Ours with some tracing is held against who has none.
    assert "| reference | 0 % | 15.0 (10.0-20.0) | 80 | 3.5 x | 8.0 x |" in text


def test_ours_has_a_line_for_each_batch_and_rate() -> None:
    assert "| by 100 | 1 % | 52.5 (35.0-70.0) | 10.0 | 200.0 | 30.0 | 15.0 |" in written()


def test_what_is_wanted_is_told_with_what_came_out() -> None:
    text = written()

    assert "of blog at 1 % | at least 60 x | 70.0 | yes |" in text
    assert "processor time an event, batches of 100 at 1 % | at most 9 µs | 10.0 | no |" in text
    assert (
        "through the door, batches of 100 at 1 % | at least 40,000 events/s | 30,000 | no" in text
    )


def test_how_long_events_take_stands_beside_the_load() -> None:
    text = written()

    assert "at 300 events/s" in text
    assert "| blog | 1 % | 12.5 | 40.0 | 900 |" in text
    assert "| ours | 1 % | 6.2 | 9.0 | 200 |" in text


def test_the_limits_are_told() -> None:
    assert "| COPY alone | 300.0 | 1.50 |" in written()


def test_it_says_where_and_how_it_was_measured() -> None:
    text = written()

    for said in ("2026-01-02", "abc1234", "2 cores of a processor", "FastStream 0.7", "3 rounds"):
        assert said in text
    assert "![Processor time of the three stages](images/peers-cpu.svg)" in text


def test_the_terminal_shows_every_line_whole() -> None:
    console = Console(file=io.StringIO(), width=120)
    sheets.draw(console, account(report()))
    text = console.file.getvalue()  # type: ignore[attr-defined]

    (row,) = (line for line in text.splitlines() if line.startswith("blog  ") and "x" in line)
    assert "0.75 (0.50-1.00)" in row
    assert row.rstrip().endswith("100 x")
    assert "…" not in text


def test_a_peer_that_is_not_behind_is_told() -> None:
    ahead = figure(Cell("chain", "quix", 1, 0), 1, 1_000_000, 1)
    text = written(msgspec.structs.replace(report(), figures=[*report().figures, ahead]))

    assert "quix at 0 % is not behind ours in batches of 100 at 1 % in throughput" in text


def test_what_was_not_measured_has_no_table() -> None:
    only = [one for one in report().figures if one.cell.part == "glass"]
    text = written(msgspec.structs.replace(report(), figures=only))

    assert "p99 ms" in text
    assert "limit" not in text
    assert "wanted" not in text


def test_charts_show_throughput_processor_time_and_the_slowest() -> None:
    pictures = account(report()).charts

    assert list(pictures) == ["peers-throughput", "peers-cpu", "peers-glass"]
    for picture in pictures.values():
        ElementTree.fromstring(picture)  # noqa: S314 - drawn just now.
    assert "ours, by 100, 1 % sampled: 52,500" in pictures["peers-throughput"]
    assert "blog, 1 % sampled: 40" in pictures["peers-glass"]


def test_a_script_can_read_it() -> None:
    assert msgspec.json.decode(msgspec.json.encode(report()), type=Report) == report()
