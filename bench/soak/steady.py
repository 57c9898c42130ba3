"""What became of the stages over time at a steady load, and whether anything of them grows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import msgspec

from bench.report import charts
from bench.report.sheets import Account, Sheet, where
from bench.soak import trend
from bench.soak.trend import Trend
from bench.watch import usage
from bench.watch.machine import Machine
from bench.watch.usage import Usage
from services.topology import PIPELINE

_STAGES = tuple(hop.stage for hop in PIPELINE)
# What surely grew by more than this share of its mean is told as growing.
_GROWTH = 0.02
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Look:
    """What had been taken, and how many events had been accepted, at a moment."""

    usage: Usage
    accepted: int


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One stage over time: (s from the beginning, value) of MiB, files and µs an event."""

    stage: str
    rss_mib: list[tuple[float, float]]
    files: list[tuple[float, float]]
    us_per_event: list[tuple[float, float]]


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """All of one bench; `accepted` and `stored` are events, `refused` requests."""

    machine: Machine
    minutes: float
    batch: int
    share: int
    offered_per_s: float
    accepted: int
    stored: int
    refused: int
    lines: list[Line]


def lines(looks: Sequence[Look]) -> list[Line]:
    """Follow each stage from look to look; the time of an event is of what lies between two."""
    began_s = looks[0].usage.at_s
    return [
        Line(
            stage=stage,
            rss_mib=[(one.usage.at_s - began_s, one.usage.rss_bytes[stage] / _MIB)
                     for one in looks],
            files=[(one.usage.at_s - began_s, one.usage.files[stage]) for one in looks],
            us_per_event=[
                (after.usage.at_s - began_s, usage.us_per_event(
                    before.usage, after.usage, after.accepted - before.accepted)[stage])
                for before, after in pairwise(looks)
                if after.accepted > before.accepted
            ],
        )
        for stage in _STAGES
    ]  # fmt: skip


def growing(told: Told) -> list[str]:
    """Say what surely grows: memory and files of which stages."""
    return [
        f"{name} of {line.stage}"
        for line in told.lines
        for name, samples in (("memory", line.rss_mib), ("files", line.files))
        if trend.of(samples).is_growing(_GROWTH)
    ]


def account(told: Told) -> Account:
    """Tell all of it."""
    return Account(
        name="soak",
        told=told,
        preamble=[*where(told.machine), _method(told)],
        sheets=[
            Sheet(
                f"{told.minutes:g} minutes at {told.offered_per_s:,.0f} events/s",
                ("stage", "MiB", "gained", "files", "gained", "CPU µs", "gained", "verdict"),
                [_cells(line) for line in told.lines],
            )
        ],
        remarks=[
            f"{told.accepted:,} events were accepted and {told.stored:,} stored; "
            f"{told.refused:,} requests were refused."
        ],
        charts={
            "soak-memory": charts.lines(
                "Memory of the stages at a steady load", "minutes", "MiB",
                {line.stage: _minutes(line.rss_mib) for line in told.lines},
            ),
            "soak-cpu": charts.lines(
                "Processor time of the stages at a steady load", "minutes", "µs an event",
                {line.stage: _minutes(line.us_per_event) for line in told.lines},
            ),
        },
    )  # fmt: skip


def _method(told: Told) -> str:
    return (
        f"Open loop at {told.share} % of the peak, {told.batch} events a request. Means, and what "
        "was gained from the end of the first tenth to the end with its 95 % noise, from a line "
        f"through ten means; growing is what surely gained more than {_GROWTH:.0%} of its mean."
    )


def _cells(line: Line) -> list[str]:
    trends = [trend.of(samples) for samples in (line.rss_mib, line.files, line.us_per_event)]
    told = [text for one in trends for text in (f"{one.mean:.1f}", _gained(one))]
    is_growing = any(one.is_growing(_GROWTH) for one in trends[:2])
    return [line.stage, *told, "growing" if is_growing else "flat"]


def _gained(one: Trend) -> str:
    return f"{one.gained:+.2f} ± {one.noise:.2f}"


def _minutes(samples: Sequence[trend.Sample]) -> list[trend.Sample]:
    return [(at_s / 60, value) for at_s, value in samples]
