"""What points come to: a curve, and whether it is what was wanted."""

from __future__ import annotations

import io

import msgspec
import pytest
from rich.console import Console

from bench.latency import curve, floor
from bench.latency.curve import Curve, Told
from bench.latency.points import Point
from bench.latency.quantiles import Quantiles
from bench.report import sheets
from tests.unit.bench.made import MACHINE
from tests.unit.tools.trace.waterfalls import waterfall

FLOOR = floor.summed([waterfall()])
STAGES = ("ingest", "normalize", "decorate", "sink")


def quantiles(p50_ms: float, p99_ms: float) -> Quantiles:
    return Quantiles(p50_ms=p50_ms, p90_ms=p50_ms, p99_ms=p99_ms, mean_ms=p50_ms)


def point(share: int, p50_ms: float, p99_ms: float, *, number: int = 1) -> Point:
    return Point(
        share=share,
        round=number,
        offered_per_s=share * 100,
        stored_per_s=share * 100,
        due=quantiles(p50_ms, p99_ms),
        received=quantiles(p50_ms, p99_ms),
        late=quantiles(2, 2),
        answer=quantiles(1, 1),
        answers={202: 10, 503: 1},
        missing_events=0,
        backlog_events=0,
        drained_s=0.0,
        cpu_us_per_event=dict.fromkeys(STAGES, 5.0),
        floor=FLOOR,
    )


def told(*points: Point) -> Told:
    found = Curve(batch=100, peak_per_s=10_000, points=list(points))
    return Told(machine=MACHINE, rounds=2, seconds=12, curves=[found])


def test_the_commit_is_added_to_what_the_rows_say() -> None:
    (load,) = curve.loads(told(point(20, 10, 50)).curves[0])

    assert (load.p50_ms, load.p99_ms) == (16, 56)


def test_rounds_come_to_their_median_and_loads_ascend() -> None:
    points = [point(80, 9, 9), *(point(20, ms, ms, number=ms) for ms in (1, 30, 2))]

    first, second = curve.loads(told(*points).curves[0])
    assert (first.share, second.share) == (20, 80)
    assert first.p50_ms == 2 + 6


@pytest.mark.parametrize(
    ("share", "p50_ms", "p99_ms", "is_wanted"),
    [
        (20, 14, 54, True),
        (20, 14.1, 54, False),
        (20, 14, 54.1, False),
        (80, 100, 244, True),
        (80, 100, 244.1, False),
        (40, 900, 900, None),
    ],
)
def test_what_is_wanted_is_judged_with_the_commit(
    share: int, p50_ms: float, p99_ms: float, is_wanted: bool | None
) -> None:
    (load,) = curve.loads(told(point(share, p50_ms, p99_ms)).curves[0])

    assert load.is_wanted is is_wanted


def test_a_miss_is_told_in_words_too() -> None:
    texts = list(curve.remarks(told(point(20, 30, 90)).curves[0]))

    assert any("20 % of the peak: not within what was wanted, p50 36.0 ms" in one for one in texts)
    assert any("of 1,000 accepted events 0 were not stored" in one for one in texts)


def test_the_floor_shows_the_lowest_load_and_adds_up_with_what_was_sent_late() -> None:
    text = sheets.markdown(curve.account(told(point(5, 10, 20), point(80, 90, 90))))

    assert "Where the time goes at 5 % of the peak, the mean of 1 waterfalls" in text
    assert "| client | until the door has it |  | 2.00 | 2.0% |" in text
    assert "| sink | database | COMMIT | 6.00 | 5.9% |" in text
    assert "| whole |  |  | 102.00 | 100.0% |" in text


def test_a_document_gets_the_curve_as_a_chart() -> None:
    account = curve.account(told(point(5, 10, 20), point(80, 90, 90)))

    assert "![Time to glass against offered load" in sheets.markdown(account)
    assert account.charts["latency-100"].startswith("<svg")
    assert "| 80 | 8,000 | 8,000 | 96.0 |" in sheets.markdown(account)


def test_a_terminal_gets_the_same_tables() -> None:
    console = Console(file=io.StringIO(), width=100)
    sheets.draw(console, curve.account(told(point(20, 10, 20))))

    assert "p50 20, p99 60" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_script_can_read_it() -> None:
    read = msgspec.json.decode(msgspec.json.encode(told(point(20, 10, 20))), type=Told)

    assert read == told(point(20, 10, 20))
