"""Where the time of waterfalls went, along the pipeline."""

from __future__ import annotations

import pytest

from bench.latency import floor
from bench.watch.table import Window
from tests.unit.tools.trace.waterfalls import SPENT_MS, START_US, waterfall, without
from tools.trace import jaeger
from tools.trace.jaeger import Trace


def test_the_parts_of_one_waterfall_are_its_critical_path_in_the_order_of_the_pipeline() -> None:
    found = floor.summed([waterfall()])

    told = {(one.kind, one.stage, one.part): one.mean_ms for one in found.parts}
    assert told == pytest.approx(SPENT_MS)
    assert [one.part for one in found.parts if one.stage == "decorate"] == [
        *("log", "fetch", "prefetch", "slot", "process"),
        *("buffer", "ack"),
    ]


def test_the_means_of_the_parts_add_up_to_the_mean_of_the_whole() -> None:
    found = floor.summed([waterfall(), waterfall("1f" * 16, parts=2)])

    assert found.traces == 2
    assert sum(one.mean_ms for one in found.parts) == pytest.approx(found.whole.mean_ms)


def test_the_commit_is_told_by_itself() -> None:
    assert floor.summed([waterfall()]).commit.p50_ms == 6


def test_several_are_weighed_by_their_traces() -> None:
    one = floor.Floor(
        traces=1,
        whole=floor.summed([waterfall()]).whole,
        commit=floor.summed([waterfall()]).commit,
        parts=[floor.Part(stage="sink", kind="database", part="COPY", mean_ms=10)],
    )
    three = floor.Floor(
        traces=3,
        whole=one.whole,
        commit=one.commit,
        parts=[floor.Part(stage="sink", kind="database", part="COPY", mean_ms=2)],
    )

    (found,) = floor.together([one, three])
    assert found.mean_ms == pytest.approx(4)


async def test_only_whole_traces_of_the_window_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, torn = waterfall(), without(waterfall("1f" * 16), "time to glass")
    asked: list[tuple[int, int]] = []

    def between(_url: str, start_us: int, end_us: int, _limit: int) -> list[Trace]:
        asked.append((start_us, end_us))
        return [whole, torn] if start_us <= START_US <= end_us else []

    monkeypatch.setattr(jaeger, "between", between)
    monkeypatch.setattr(floor, "_WHOLE_AFTER_S", 0)
    began_s = START_US / 1e6 - 1

    found = await floor.told("", Window(began_s, began_s + 2.5))

    assert [trace.id for trace in found] == [whole.id]
    # Each microsecond is asked for once.
    assert [end - start + 1 for start, end in asked] == [1_000_000, 1_000_000, 500_000]
