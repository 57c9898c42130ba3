"""What a steady load shows of each stage over time."""

from __future__ import annotations

import pytest

from bench.report import sheets
from bench.soak import steady
from bench.soak.steady import Look, Told, account, growing
from bench.watch.usage import Usage
from tests.unit.bench.made import MACHINE

STAGES = ("ingest", "normalize", "decorate", "sink")
MIB = 1 << 20


def look(number: int, *, sink_mib: float = 50, sink_files: int = 20) -> Look:
    """The state after so many intervals of 10 s, in each of which 1,000 events were accepted."""
    usage = Usage(
        at_s=1_000.0 + 10 * number,
        # 3 µs an event.
        cpu_s=dict.fromkeys(STAGES, 0.003 * number),
        rss_bytes={**dict.fromkeys(STAGES, 50 * MIB), "sink": round(sink_mib * MIB)},
        files={**dict.fromkeys(STAGES, 20), "sink": sink_files},
    )
    return Look(usage, accepted=1_000 * number)


def told(*looks: Look) -> Told:
    return Told(
        machine=MACHINE,
        minutes=5,
        batch=100,
        share=80,
        offered_per_s=100,
        accepted=30_000,
        stored=30_000,
        refused=0,
        lines=steady.lines(looks),
    )


def test_times_count_from_the_first_look_and_costs_lie_between_two() -> None:
    (line,) = (one for one in steady.lines([look(n) for n in range(3)]) if one.stage == "sink")

    assert line.rss_mib == [(0, 50), (10, 50), (20, 50)]
    assert [at_s for at_s, _ in line.us_per_event] == [10, 20]
    assert [us for _, us in line.us_per_event] == pytest.approx([3, 3])


def test_an_interval_without_events_has_no_cost_of_an_event() -> None:
    idle = Look(look(2).usage, accepted=1_000)

    (line, *_) = steady.lines([look(0), look(1), idle])
    assert [at_s for at_s, _ in line.us_per_event] == [10]


def test_what_stays_the_same_does_not_grow() -> None:
    assert not growing(told(*(look(number) for number in range(30))))


def test_memory_that_grows_is_told_with_its_stage() -> None:
    looks = [look(number, sink_mib=50 + number) for number in range(30)]

    assert growing(told(*looks)) == ["memory of sink"]
    text = sheets.markdown(account(told(*looks)))
    assert "| sink | 66.0 | +26.00 ± 0.00 | 20.0 | +0.00 ± 0.00 | 3.0 " in text
    assert text.count("| growing |") == 1
    assert text.count("| flat |") == 3


def test_files_that_are_left_open_are_told() -> None:
    looks = [look(number, sink_files=20 + number) for number in range(30)]

    assert growing(told(*looks)) == ["files of sink"]
