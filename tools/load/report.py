"""The accounts of a run, for a person and for a script."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from hdrh.histogram import HdrHistogram
from rich.console import Console
from rich.table import Table

from tools.load.account import Found
from tools.load.plan import Plan
from tools.load.sender import Outcome

_PERCENTILES = (50.0, 90.0, 99.0, 99.9)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A run's accounts; counts are of events, times in ms by percentile, empty if none came."""

    run_id: str
    rate_events_per_s: float
    accepted_events_per_s: float
    duration_s: float
    batch: int
    sent: int
    # Requests that were sent once more because nobody knew what became of them.
    sent_again: int
    accepted: int
    refused: int
    refused_by_status: dict[int, int]
    refusal: str
    unknown: int
    stored_of_unknown: int
    missing: int
    missing_ids: list[str]
    doubled: int
    foreign: int
    answer_ms: dict[str, float]
    time_to_glass_ms: dict[str, float]
    slowest_trace_id: str

    @property
    def is_whole(self) -> bool:
        """Whether something was accepted, and all of that is in the store exactly once."""
        return self.accepted > 0 and not (self.missing or self.doubled or self.foreign)


def of(plan: Plan, outcome: Outcome, found: Found, took_s: float) -> Report:
    """Put together what was sent, what was said and what was found."""
    accepted = len(outcome.accepted) * plan.batch
    return Report(
        run_id=str(plan.run_id),
        rate_events_per_s=plan.rate_events_per_s,
        accepted_events_per_s=round(accepted / took_s, 1),
        duration_s=round(took_s, 3),
        batch=plan.batch,
        sent=outcome.sent * plan.batch,
        sent_again=outcome.sent_again,
        accepted=accepted,
        refused=sum(outcome.refused.values()) * plan.batch,
        refused_by_status={code: n * plan.batch for code, n in sorted(outcome.refused.items())},
        refusal=outcome.refusal,
        unknown=len(outcome.unknown) * plan.batch,
        stored_of_unknown=found.stored_of_unknown,
        missing=found.missing,
        missing_ids=found.missing_ids,
        doubled=found.doubled,
        foreign=found.foreign,
        answer_ms=_percentiles(outcome.answer_us),
        time_to_glass_ms=_percentiles(found.time_to_glass_us),
        slowest_trace_id=found.slowest_trace_id,
    )


def draw(console: Console, report: Report) -> None:
    """Print the accounts."""
    console.print(
        f"{report.accepted_events_per_s:,.0f} events/s accepted over {report.duration_s:.1f} s, "
        f"{report.rate_events_per_s:,.0f} offered, {report.batch} a request\n"
    )
    counts = Table(box=None, show_header=False, pad_edge=False)
    counts.add_column(justify="left")
    counts.add_column(justify="right")
    counts.add_column()
    for name, count, note in _counts(report):
        counts.add_row(name, f"{count:,}", note)
    console.print(counts)
    console.print()
    console.print(_latencies(report))
    for line in _remarks(report):
        console.print(line, highlight=False)


def _counts(report: Report) -> Iterator[tuple[str, int, str]]:
    again = f"{report.sent_again:,} requests sent again" if report.sent_again else ""
    yield "sent", report.sent, again
    yield "accepted", report.accepted, "202, after Kafka's acknowledgement"
    by_status = ", ".join(f"{code}: {n:,}" for code, n in report.refused_by_status.items())
    yield "refused", report.refused, by_status
    stored = f"{report.stored_of_unknown:,} of them are stored" if report.unknown else ""
    yield "unknown", report.unknown, stored
    yield "missing", report.missing, "accepted and not in the store"
    yield "doubled", report.doubled, "in the store more than once"
    if report.foreign:
        yield "foreign", report.foreign, "in the store though never accepted"


def _latencies(report: Report) -> Table:
    table = Table("ms", *(f"p{percent:g}" for percent in _PERCENTILES), "max", box=None,
                  pad_edge=False)  # fmt: skip
    for column in table.columns[1:]:
        column.justify = "right"
    for name, times in (("answer", report.answer_ms), ("time to glass", report.time_to_glass_ms)):
        table.add_row(name, *(f"{value:,.1f}" for value in times.values()))
    return table


def _remarks(report: Report) -> Iterator[str]:
    if report.refusal:
        yield f"\nThe first refusal said: {report.refusal}"
    if report.missing_ids:
        yield f"\nMissing, for example: {', '.join(report.missing_ids)}"
    if report.slowest_trace_id:
        yield f"\nThe slowest that was sampled: make trace ID={report.slowest_trace_id}"


def _percentiles(times_us: HdrHistogram) -> dict[str, float]:
    if not times_us.get_total_count():
        return {}
    found = times_us.get_percentile_to_value_dict(list(_PERCENTILES))
    named = {f"p{percent:g}": round(found[percent] / 1e3, 3) for percent in _PERCENTILES}
    return {**named, "max": round(times_us.get_max_value() / 1e3, 3)}
