"""What runs come to: medians, and ratios round by round."""

from __future__ import annotations

import msgspec
import pytest

from bench.comparison.results import Line, Measured, Run, lines
from bench.report.spread import Spread
from bench.stack.endings import Ending, Spans

ENDINGS = {
    "normalize": Ending(took_s=1.5, spans=Spans(exported=4, lost=1)),
    "sink": Ending(took_s=0.5, spans=Spans(exported=3)),
}


def run(
    variant: str, number: int, took_s: float, *, part: str = "stages", cpu_us: float = 10.0
) -> Run:
    return Run(
        variant=variant,
        round=number,
        measured=Measured(
            part=part,
            events=1_000,
            took_s=took_s,
            cpu_us_per_event={"normalize": cpu_us, "sink": cpu_us, "collector": 3.0, "kafka": 5.0},
            endings=ENDINGS,
        ),
    )


def line(variant: str, *runs: Run) -> Line:
    (found,) = (one for one in lines(runs) if one.variant == variant)
    return found


def test_throughput_is_events_over_time() -> None:
    assert run("off", 1, took_s=0.5).measured.events_per_s == 2_000


def test_the_stages_time_is_without_what_they_stand_on() -> None:
    assert run("off", 1, took_s=1).measured.stages_us_per_event == 20


def test_ratios_compare_runs_of_the_same_round_with_the_first_variant() -> None:
    slow, quick = 2.0, 1.0

    found = line(
        "all",
        run("off", 1, slow, cpu_us=10),
        run("all", 1, slow * 2, cpu_us=12),
        # The second round begins with the other variant.
        run("all", 2, quick * 4, cpu_us=10),
        run("off", 2, quick, cpu_us=5),
    )
    assert found.throughput_ratio == Spread(median=0.375, lowest=0.25, highest=0.5)
    assert found.cpu_ratio.lowest == pytest.approx(1.2)
    assert found.cpu_ratio.highest == pytest.approx(2.0)


def test_the_first_variant_is_the_measure_of_itself() -> None:
    found = line("off", run("off", 1, 1.0), run("off", 2, 3.0))

    assert found.throughput_ratio == Spread(1.0, 1.0, 1.0)
    assert found.events_per_s.median == pytest.approx((1_000 + 1_000 / 3) / 2)


def test_spans_add_up_over_the_rounds() -> None:
    found = line("off", run("off", 1, 1.0), run("off", 2, 1.0))

    assert found.spans == Spans(exported=14, lost=2)
    assert found.spans.emitted == 16


def test_a_stop_lasts_as_long_as_its_slowest_stage() -> None:
    assert run("off", 1, 1.0).measured.stop_s == 1.5
    assert line("off", run("off", 1, 1.0)).stop_s.median == 1.5


def test_a_collector_without_a_process_takes_no_time() -> None:
    measured = run("off", 1, 1.0).measured
    alone = msgspec.structs.replace(measured, cpu_us_per_event={"sink": 1.0})

    assert (measured.collector_us_per_event, alone.collector_us_per_event) == (3.0, 0)


def test_each_part_has_a_line_for_each_variant() -> None:
    runs = [
        run(variant, 1, 1.0, part=part) for variant in ("off", "all") for part in ("door", "stages")
    ]

    found = [(one.part, one.variant) for one in lines(runs)]
    assert found == [("door", "off"), ("door", "all"), ("stages", "off"), ("stages", "all")]
