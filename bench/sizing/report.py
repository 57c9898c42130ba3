"""A sizing as tables, with the arithmetic of one of its columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.report.sheets import Account, Sheet, where
from bench.sizing.sized import Limit, Sized, Told

# Of requests that are sampled.
_RATIOS = (0.0001, 0.001, 0.01, 1.0)
_DECADES = (1e4, 1e5, 1e6, 1e7)
# Whose arithmetic is shown.
_SHOWN_PER_S = 9e6


def account(told: Told) -> Account:
    """Tell all of it."""
    return Account(
        name="sizing",
        told=told,
        preamble=[*where(told.machine), _assumptions(told)],
        sheets=[
            _size_sheet(told.sized),
            _span_sheet(told),
            _decade_sheet(told.limits),
            _limit_sheet(told.limits),
        ],
        remarks=list(_arithmetic(told)),
    )


def _assumptions(told: Told) -> str:
    assumed = told.assumed
    return (
        f"Assumed: cores, disks and networks {assumed.busy:.0%} busy, the rest is headroom; "
        f"{assumed.copies} copies of a record, each of which costs a broker what the first one was "
        f"measured to; a core like one of these; machines of {assumed.cores} cores and "
        f"{assumed.network_gbit:g} Gbit/s; a database that writes {assumed.disk_mb:g} MB/s ahead; "
        f"requests of {told.costs.batch} events, 1 % of them sampled."
    )


def _size_sheet(sized: Sequence[Sized]) -> Sheet:
    rows = [
        *([f"cores, {name}", *(f"{one.cores[name]:,.1f}" for one in sized)]
          for name in sized[0].cores),
        ["cores, all", *(f"{sum(one.cores.values()):,.0f}" for one in sized)],
        *([f"replicas of {stage}", *(f"{one.replicas[stage]:,}" for one in sized)]
          for stage in sized[0].replicas),
        ["partitions a topic", *(f"{one.partitions:,}" for one in sized)],
        ["brokers", *(f"{one.brokers:,}" for one in sized)],
        ["databases", *(f"{one.shards:,}" for one in sized)],
        ["HTTP in, Gbit/s", *(f"{one.http_gbit:,.2f}" for one in sized)],
        ["Kafka in, Gbit/s", *(f"{one.kafka_in_gbit:,.2f}" for one in sized)],
        ["Kafka out, Gbit/s", *(f"{one.kafka_out_gbit:,.2f}" for one in sized)],
        ["rows, TB a day", *(f"{one.table_tb_per_day:,.1f}" for one in sized)],
    ]  # fmt: skip
    return Sheet("What a rate takes", _head("events/s", sized), rows)


def _span_sheet(told: Told) -> Sheet:
    costs = told.costs

    def cell(one: Sized, ratio: float) -> str:
        spans_per_s = one.events_per_s / costs.batch * ratio * costs.spans_per_request
        return f"{spans_per_s:,.0f} ({spans_per_s * costs.bytes_per_span / 1e6:,.2f})"

    return Sheet(
        f"Spans a second, and their MB/s: {costs.spans_per_request:.1f} a sampled request, "
        f"{costs.bytes_per_span:.0f} bytes each",
        _head("sampled", told.sized),
        [[f"{ratio:.2%}", *(cell(one, ratio) for one in told.sized)] for ratio in _RATIOS],
    )


def _decade_sheet(limits: Sequence[Limit]) -> Sheet:
    return Sheet(
        "The first bottleneck on the way to each decade",
        ("to events/s", "what ends first", "at", "what comes in its place"),
        [[f"{decade:,.0f}", *_first(limits, decade)] for decade in _DECADES],
        words=2,
        ends_in_words=True,
    )


def _first(limits: Sequence[Limit], decade: float) -> tuple[str, str, str]:
    # The first decade has all that is below it.
    least = 0.0 if decade == _DECADES[0] else decade / 10
    within = [limit for limit in limits if least <= limit.events_per_s < decade]
    if not within:
        return "nothing", "", ""
    first = min(within, key=lambda limit: limit.events_per_s)
    return first.what, f"{first.events_per_s:,.0f}", first.instead


def _limit_sheet(limits: Sequence[Limit]) -> Sheet:
    return Sheet(
        "What ends when, each alone",
        ("what", "at events/s", "what comes in its place"),
        [[one.what, f"{one.events_per_s:,.0f}", one.instead] for one in limits],
        ends_in_words=True,
    )


def _arithmetic(told: Told) -> Iterator[str]:
    """Show how the column of one rate comes about."""
    one = next((each for each in told.sized if each.events_per_s == _SHOWN_PER_S), None)
    if one is None:
        return
    costs, assumed, rate = told.costs, told.assumed, one.events_per_s
    yield f"How the column of {rate:,.0f} events/s comes about:"
    lines = [
        f"{name}: `{rate:,.0f} * {costs.cpu_us[name]:.2f} µs / {assumed.busy:g}"
        f"{f' * {assumed.copies}' if name == 'kafka' else ''} = {cores:,.1f} cores`"
        for name, cores in one.cores.items()
    ]
    logged = sum(costs.log_bytes.values())
    lines += [
        f"Kafka in: `{rate:,.0f} * {logged:.1f} bytes * {assumed.copies} * 8 = "
        f"{one.kafka_in_gbit:,.1f} Gbit/s`, over three topics and {assumed.copies} copies; out, to "
        f"one reader and {assumed.copies - 1} followers, as much",
        f"HTTP: `{rate:,.0f} * {costs.http_bytes:.0f} bytes * 8 = {one.http_gbit:,.1f} Gbit/s`",
        f"a database: `{assumed.cores} cores * {assumed.busy:g} / "
        f"{costs.cpu_us['postgres']:.2f} µs`, or `{assumed.disk_mb:g} MB/s * {assumed.busy:g} / "
        f"{costs.wal_bytes:.0f} bytes`, the smaller; {one.shards:,} of them",
        f"one core of the database stores {1e6 / costs.cpu_us['postgres']:,.0f} rows a second, "
        f"with key and index and none twice; by COPY alone {1e6 / costs.copied_us:,.0f}",
    ]
    yield "\n".join(f"- {line}" for line in lines)


def _head(first: str, sized: Sequence[Sized]) -> list[str]:
    return [first, *(f"{one.events_per_s:,.0f}" for one in sized)]
