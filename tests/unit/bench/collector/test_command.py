"""What `bench collector` shows, and that no span is missing from the counts."""

from __future__ import annotations

from bench.collector.command import VARIANTS, miscounts
from bench.comparison.results import Measured, Run
from bench.stack.endings import Ending, Spans

HEALTHY = Spans(exported=10)


def run(variant: str, *, number: int = 1, taken: int = 0, **spans: Spans) -> Run:
    return Run(
        variant=variant,
        round=number,
        measured=Measured(
            part="pipeline",
            events=1_000,
            took_s=1.0,
            cpu_us_per_event={"sink": 10.0},
            endings={stage: Ending(1.0, each) for stage, each in spans.items()},
            spans_taken=taken,
        ),
    )


def test_spans_that_are_counted_as_lost_are_not_missing() -> None:
    runs = [
        run("healthy", taken=20, ingest=HEALTHY, sink=HEALTHY),
        run("dead", ingest=Spans(lost=10), sink=Spans(lost=10)),
        run("slow", taken=5, ingest=Spans(lost=10), sink=Spans(exported=5, lost=5)),
    ]

    assert not list(miscounts(runs))


def test_a_span_that_nobody_counts_is_told_with_its_stage() -> None:
    runs = [
        run("healthy", taken=20, ingest=HEALTHY, sink=HEALTHY),
        # Together they are as many, and still each stage is wrong.
        run("dead", number=2, ingest=Spans(lost=9), sink=Spans(lost=11)),
    ]

    assert list(miscounts(runs)) == [
        "dead, pipeline, round 2: ingest counts 9 spans of 10.",
        "dead, pipeline, round 2: sink counts 11 spans of 10.",
    ]


def test_a_span_that_is_exported_to_nobody_is_told() -> None:
    (told,) = miscounts([run("slow", taken=9, sink=HEALTHY)])

    assert told == (
        "slow, pipeline, round 1: 10 spans are counted as exported, and the collector took 9."
    )


def test_the_healthy_one_is_what_the_others_are_compared_with() -> None:
    assert next(iter(VARIANTS)) == "healthy"
