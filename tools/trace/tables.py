"""What was found in many traces, as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tools.trace.drawing import colour
from tools.trace.judgement import Judgement, Verdict
from tools.trace.percentile import percentile
from tools.trace.ranking import Ranked

_PERCENTS = (50.0, 90.0, 99.0)


def draw_ranks(console: Console, ranks: Sequence[Ranked], times_us: Sequence[int]) -> None:
    """Print the slowest; `times_us` are the times to glass of all they were chosen from."""
    console.print(f"The slowest {len(ranks):,} of {_traces(len(times_us))}, the newest in Jaeger")
    console.print(f"{_spread(times_us)}\n", style="dim")
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("ms", justify="right", no_wrap=True)
    table.add_column("most went to", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    table.add_column("events", justify="right", no_wrap=True)
    table.add_column("told", no_wrap=True)
    table.add_column("trace", no_wrap=True)
    for one in ranks:
        table.add_row(*_rank_cells(one), style="red" if one.is_failed else "")
    console.print(table)
    for line in _remarks(ranks):
        console.print(line, soft_wrap=True)


def draw_judgement(console: Console, judgement: Judgement) -> None:
    """Print every limit with what was measured."""
    console.print(
        f"Judged {_traces(judgement.judged)}, the newest in Jaeger{_left_out(judgement)}\n"
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("of")
    table.add_column("limit")
    table.add_column("measured", justify="right")
    table.add_column("at most", justify="right")
    table.add_column("")
    for before, verdict in zip([None, *judgement.verdicts], judgement.verdicts, strict=False):
        is_first = before is None or before.limit.section != verdict.limit.section
        table.add_row(verdict.limit.section if is_first else "", *_verdict_cells(verdict))
    console.print(table)
    over = sum(not verdict.is_kept for verdict in judgement.verdicts)
    count = len(judgement.verdicts)
    console.print(f"\n{over} of {count} limits exceeded", style="red" if over else "green")


def _traces(count: int) -> str:
    return f"{count:,} trace{'' if count == 1 else 's'}"


def _spread(times_us: Sequence[int]) -> str:
    percentiles = (f"p{p:g} {percentile(times_us, p) / 1_000:,.1f} ms" for p in _PERCENTS)
    return f"time to glass of all: {', '.join(percentiles)}"


def _rank_cells(one: Ranked) -> tuple[str | Text, ...]:
    most = one.dominated_by
    return (
        f"{one.time_to_glass_us / 1_000:,.3f}",
        Text(most.name, style="" if one.is_failed else colour(most.stage)),
        f"{one.dominated_share:.0%}",
        f"{one.events:,}",
        "retro" if one.is_retro else "sampled",
        one.trace_id,
    )


def _remarks(ranks: Sequence[Ranked]) -> Iterator[str]:
    failed = sum(one.is_failed for one in ranks)
    if failed:
        yield f"\n{failed:,} of them failed, in red; --json says which"
    if ranks:
        yield f"\nWhere the time of one went: make trace ID={ranks[0].trace_id}"


def _left_out(judgement: Judgement) -> str:
    reasons = {"failed": judgement.failed, "told afterwards": judgement.retro}
    counts = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items() if count)
    return f" (left out: {counts})" if counts else ""


def _verdict_cells(verdict: Verdict) -> tuple[str | Text, ...]:
    kept = Text("ok", style="green") if verdict.is_kept else Text("over", style="bold red")
    limit = verdict.limit
    if limit.is_share:
        return limit.key, f"{verdict.measured:.1%}", f"{limit.value:.1%}", kept
    return limit.key, f"{verdict.measured:,.3f} ms", f"{limit.value:,g} ms", kept
