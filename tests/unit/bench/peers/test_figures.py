"""What figures come to: medians over the rounds, and ratios round by round."""

from __future__ import annotations

import msgspec
import pytest

from bench.peers.figures import Cell, Figure, Figures, cpu_us, events_per_s
from bench.report.spread import Spread

BLOG = Cell("chain", "blog", 1, 1)
OURS = Cell("chain", "ours", 100, 1)


def figure(cell: Cell, number: int, took_s: float, **cpu_us_per_event: float) -> Figure:
    return Figure(
        cell=cell, round=number, events=1_000, took_s=took_s, cpu_us_per_event=cpu_us_per_event
    )


def test_throughput_is_events_over_time() -> None:
    assert figure(BLOG, 1, took_s=0.5).events_per_s == 2_000


def test_processor_time_is_that_of_the_stages() -> None:
    found = figure(BLOG, 1, 1, normalize=10, decorate=20, sink=30, kafka=500, collector=700)

    assert found.cpu_us == 60
    assert figure(OURS, 1, 1, ingest=4, normalize=1, decorate=1, sink=1).cpu_us == 7
    assert figure(Cell("limit", "COPY alone", 0, 0), 1, 1, program=2).cpu_us == 2


def test_a_cell_has_the_median_of_its_rounds() -> None:
    figures = Figures([figure(BLOG, number, took_s) for number, took_s in ((1, 1), (2, 4), (3, 2))])

    assert figures.spread(BLOG, events_per_s) == Spread(median=500, lowest=250, highest=1_000)


def test_a_ratio_compares_runs_of_the_same_round() -> None:
    figures = Figures(
        [
            figure(BLOG, 1, took_s=10),
            figure(OURS, 1, took_s=1),
            # Both were twice as fast in the second round, which came in another order.
            figure(OURS, 2, took_s=0.5),
            figure(BLOG, 2, took_s=5),
        ]
    )

    assert figures.ratio(OURS, BLOG, events_per_s) == Spread(10, 10, 10)
    assert figures.ratio(BLOG, OURS, events_per_s) == Spread(0.1, 0.1, 0.1)


def test_a_round_that_one_of_them_lacks_is_left_out() -> None:
    figures = Figures([figure(BLOG, 1, 10), figure(OURS, 1, 1), figure(OURS, 2, 0.1)])

    assert figures.ratio(OURS, BLOG, events_per_s) == Spread(10, 10, 10)


def test_what_was_not_measured_has_no_figure_and_no_ratio() -> None:
    figures = Figures([figure(OURS, 1, 1)])

    assert figures.spread(BLOG, cpu_us) is None
    assert figures.ratio(OURS, BLOG, cpu_us) is None


def test_cells_stand_by_system_in_their_order_and_then_by_batch_and_percent() -> None:
    cells = [
        Cell("chain", "quix", 1, 0),
        Cell("chain", "ours", 100, 100),
        Cell("chain", "ours", 100, 1),
        Cell("chain", "ours", 1, 100),
        Cell("glass", "ours", 1, 1),
    ]

    found = Figures([figure(cell, 1, 1) for cell in cells]).cells("chain")
    assert found == [cells[0], cells[3], cells[2], cells[1]]


def test_a_script_can_read_them() -> None:
    made = [figure(OURS, 1, 1, sink=3)]

    read = msgspec.json.decode(msgspec.json.encode(made), type=list[Figure])
    assert read == made
    assert Figures(read).spread(OURS, cpu_us) == pytest.approx(Spread(3, 3, 3))
