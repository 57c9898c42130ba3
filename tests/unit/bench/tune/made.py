"""Trials that were never run, for the tests of what is made of them."""

from __future__ import annotations

from bench.tune import plan
from bench.tune.folder import Run
from bench.tune.trial import Done, Latency, Measured, Phase, Shown, Trial, Written
from tests.unit.bench.made import MACHINE

RUN = Run(
    rate=5_000, batch=10, sampled=0.02, warm_up_s=2, window_s=3, machine=MACHINE, code="c0ffee"
)


def measured(
    p99_ms: float = 40.0,
    cpu_us: float = 20.0,
    stored: float = 5_000.0,
    number: int = 1,
    rebalances: int = 0,
) -> Measured:
    topics = ("events.raw", "events.normalized", "events.decorated")
    return Measured(
        offered=5_000,
        accepted=5_000,
        stored=stored,
        time_to_glass=Latency(p99_ms / 2, p99_ms),
        from_door=Latency(p99_ms / 2 - 1, p99_ms - 1),
        cpu_us={**dict.fromkeys(("ingest", "normalize", "decorate", "sink"), cpu_us / 4),
                "kafka": 7.0},
        rebalances={"normalize": 0, "decorate": rebalances, "sink": 0},
        commits_refused=rebalances,
        written=dict.fromkeys(topics, Written(100.0, 200.0, 1e6)),
        traces=3,
        median=Shown("a" * 32, p99_ms / 2, f"waterfalls/{number:03}-median.svg"),
        slowest=Shown("b" * 32, p99_ms * 2, f"waterfalls/{number:03}-slowest.svg"),
    )  # fmt: skip


def done(
    number: int,
    changes: dict[str, str] | None = None,
    *,
    phase: Phase = "one",
    round: int = 0,
    **figures: float,
) -> Done:
    trial = Trial(phase=phase, changes=changes or {}, round=round)
    return Done(
        number=number,
        trial=trial,
        took_s=10.0,
        measured=measured(number=number, **figures),  # type: ignore[arg-type]
    )


def one_of_each(**figures: float) -> list[Done]:
    """Every trial of single values, all with the same figures."""
    return [
        Done(number=number, trial=trial, took_s=10.0, measured=measured(number=number, **figures))  # type: ignore[arg-type]
        for number, trial in enumerate(plan.one_by_one(), start=1)
    ]
