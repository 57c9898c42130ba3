"""What more replicas and more rows come to, and what one event costs of everything."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from bench.report import charts
from bench.report.sheets import Account, Sheet, where
from bench.report.spread import Spread, ranged
from bench.scaling.costs import Costs
from bench.watch.machine import Machine
from services.topology import PIPELINE

_STAGES = tuple(hop.stage for hop in PIPELINE)
# Time that wavers more than this from the first line to another one is told.
_FLAT = 0.10


class Made(NamedTuple):
    """How a run was made: in which round, with how many replicas, on top of how many events."""

    round: int
    replicas: int
    stored: int


class Worked(msgspec.Struct, frozen=True, kw_only=True):
    """One run; times and bytes are of one event, the processes and topics by their names."""

    made: Made
    events: int
    took_s: float
    cpu_us: dict[str, float]
    rss_mib: dict[str, int]
    log_bytes: dict[str, float]
    table_bytes: float
    wal_bytes: float

    @property
    def events_per_s(self) -> float:
        """How much it did."""
        return self.events / self.took_s

    @property
    def stages_us(self) -> float:
        """The processor time of the stages, without what they stand on."""
        return sum(self.cpu_us[stage] for stage in _STAGES)


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """All of one bench; there are no `costs` if it was ended early."""

    machine: Machine
    rounds: int
    batch: int
    by_replicas: list[Worked]
    by_size: list[Worked]
    costs: Costs | None = None


class Weighed(NamedTuple):
    """What was weighed beside the runs."""

    batch: int
    http_bytes: float
    copied_us: float
    spans_per_request: float
    bytes_per_span: float


def costs_of(runs: Sequence[Worked], weighed: Weighed) -> Costs:
    """Take the median of each cost of some runs, at least one."""

    def each(found: Sequence[dict[str, float]]) -> dict[str, float]:
        return {name: statistics.median(one[name] for one in found) for name in found[0]}

    return Costs(
        **weighed._asdict(),
        cpu_us=each([run.cpu_us for run in runs]),
        log_bytes=each([run.log_bytes for run in runs]),
        table_bytes=statistics.median(run.table_bytes for run in runs),
        wal_bytes=statistics.median(run.wal_bytes for run in runs),
    )


def account(told: Told) -> Account:
    """Tell all of it."""
    sheets = [_replica_sheet(told)]
    drawn = {
        "scaling-replicas": _chart(
            "Throughput as replicas grow",
            "replicas of each stage",
            "1,000 events/s",
            [(run.made.replicas, run.events_per_s / 1e3) for run in told.by_replicas],
        )
    }
    if told.by_size:
        sheets.append(_size_sheet(told))
        drawn["scaling-size"] = _chart(
            "Processor time of the stages as the table grows",
            "events stored before",
            "µs an event",
            [(run.made.stored, run.stages_us) for run in told.by_size],
            log_x=True,
        )
    if told.costs is not None:
        sheets.append(_cost_sheet(told.costs))
    return Account(
        name="scaling",
        told=told,
        preamble=[*where(told.machine), _method(told)],
        sheets=sheets,
        remarks=list(remarks(told)),
        charts=drawn,
    )  # fmt: skip


def remarks(told: Told) -> Iterator[str]:
    """Say what does not stay flat, and what the machine bounds."""
    cores = told.machine.cores
    yield (
        f"All of it shares {cores} cores, so more replicas cannot do more than those give; what "
        "must stay flat is the time of an event."
    )
    for name, groups in (
        ("replicas", grouped(told.by_replicas, lambda made: made.replicas)),
        ("size", _by_size(told)),
    ):
        medians = [statistics.median(run.stages_us for run in runs) for runs in groups.values()]
        if medians and max(medians) > (1 + _FLAT) * medians[0]:
            yield (
                f"By {name}, the time of an event is not flat: it goes from {medians[0]:.1f} to "
                f"{max(medians):.1f} µs."
            )


def grouped(runs: Sequence[Worked], key: Callable[[Made], int]) -> dict[int, list[Worked]]:
    """Put runs together that were made the same, ascending."""
    found: dict[int, list[Worked]] = {}
    for run in sorted(runs, key=lambda one: key(one.made)):
        found.setdefault(key(run.made), []).append(run)
    return found


def _by_size(told: Told) -> dict[int, list[Worked]]:
    """Put the rounds of each size together, by what was there before the first of them."""
    firsts = sorted(run.made.stored for run in told.by_size if run.made.round == 1)

    def began(made: Made) -> int:
        return max(first for first in firsts if first <= made.stored)

    return grouped(told.by_size, began)


def _method(told: Told) -> str:
    return (
        f"All four stages, in a closed loop of requests of {told.batch} events, 1 % of requests "
        f"sampled; {told.rounds} rounds, medians with the lowest and the highest. CPU is µs for "
        "one event, from the first request until the last row is there; one ingest in each run."
    )


def _replica_sheet(told: Told) -> Sheet:
    groups = grouped(told.by_replicas, lambda made: made.replicas)
    return Sheet(
        "As replicas of normalize, decorate and sink grow",
        ("of each", *_COLUMNS),
        [[f"{replicas}", *_cells(runs)] for replicas, runs in groups.items()],
    )


def _size_sheet(told: Told) -> Sheet:
    return Sheet(
        "As what is stored grows, one replica of each",
        ("events before", *_COLUMNS, "table B", "log B"),
        [
            [
                f"{stored:,}",
                *_cells(runs),
                f"{statistics.median(run.table_bytes for run in runs):.0f}",
                f"{statistics.median(sum(run.log_bytes.values()) for run in runs):.0f}",
            ]
            for stored, runs in _by_size(told).items()
        ],
    )


_COLUMNS = ("1,000 events/s", "CPU µs", *_STAGES, "kafka", "postgres")


def _cells(runs: Sequence[Worked]) -> list[str]:
    each = [
        statistics.median(run.cpu_us[name] for run in runs)
        for name in (*_STAGES, "kafka", "postgres")
    ]
    return [
        ranged(Spread.of([run.events_per_s for run in runs]), ".1f", 1e3),
        ranged(Spread.of([run.stages_us for run in runs]), ".1f"),
        *(f"{us:.1f}" for us in each),
    ]


def _cost_sheet(costs: Costs) -> Sheet:
    rows = [(f"{name}, CPU µs", us) for name, us in costs.cpu_us.items()]
    rows += [
        ("COPY alone, no index, CPU µs", costs.copied_us),
        ("HTTP body, bytes", costs.http_bytes),
    ]
    rows += [(f"{topic}, bytes in the log", size) for topic, size in costs.log_bytes.items()]
    rows += [
        ("table and indexes, bytes", costs.table_bytes),
        ("written ahead, bytes", costs.wal_bytes),
        ("spans of a sampled request", costs.spans_per_request),
        ("bytes of a span, OTLP", costs.bytes_per_span),
    ]
    return Sheet(
        f"What one event takes, {costs.batch} a request",
        ("of", "median"),
        [[name, f"{value:.1f}"] for name, value in rows],
    )


def _chart(
    title: str, x: str, y: str, points: Sequence[charts.Point], *, log_x: bool = False
) -> str:
    means = {at: statistics.median(y for x, y in points if x == at) for at, _ in points}
    return charts.lines(title, x, y, {"median": sorted(means.items())}, log_x=log_x)
