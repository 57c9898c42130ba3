"""The report: one page that needs nothing else, with the waterfalls in it."""

from __future__ import annotations

import base64
import importlib.resources
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from bench.report import sheets
from bench.report.sheets import Sheet, where
from bench.tune import answers, chart, front
from bench.tune.answers import Table
from bench.tune.folder import Run
from bench.tune.front import Choice, Point
from bench.tune.trial import STAGES, Done, Measured, Shown

_HEAD = ("#", "", "events/s", "p50 ms", "p99 ms", "CPU µs", *STAGES, "Kafka", "batches/s",
         "records each", "rebalances")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Report:
    """All that the page tells; `tuned` is the text of the file `settings`."""

    run: Run
    dones: Sequence[Done]
    choice: Choice
    tuned: str
    settings: Path
    remarks: Sequence[str]


def html(report: Report, folder: Path) -> str:
    """Write the page; pictures are read from `folder`."""
    style = importlib.resources.files("bench.tune").joinpath("page.css").read_text()
    body = "\n".join(
        part
        for section in (_top, _recommended, _front, _questions, _trials)
        for part in section(report)
    )
    points = front.points(report.dones)
    shown = "\n".join(
        _settings(point, number, folder) for number, point in enumerate(points, start=1)
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Tuning: {report.run.rate:,.0f} events/s, {report.run.batch} a request</title>
<style>
{style}</style>
</head>
<body>
{body}
<h2>Each setting, with its waterfalls</h2>
{shown}
</body>
</html>
"""


def conditions(run: Run) -> str:
    """Say where, when and under what load was measured."""
    return (
        f"{' '.join(where(run.machine))} "
        f"{run.rate:,.0f} events/s in open loop, {run.batch} a request, {run.sampled:.0%} of "
        f"requests sampled; {run.window_s:.1f} s of each trial measured after "
        f"{run.warm_up_s:.1f} s of warm-up. Time to glass is from the moment a request was due "
        "until its rows were stored, of every event; CPU is the processor time of all stages for "
        "one event."
    )


def _top(report: Report) -> Iterator[str]:
    yield "<h1>Which settings are worth their price</h1>"
    yield f"<p>{escape(conditions(report.run))}</p>"
    for remark in (answers.noise(report.dones), *report.remarks):
        yield f"<p>{escape(remark)}</p>"


def _recommended(report: Report) -> Iterator[str]:
    yield "<h2>Recommended</h2>"
    if report.choice.point is None:
        yield "<p><strong>Keep the defaults.</strong></p>"
    yield f"<p>{escape(report.choice.why)}</p>"
    if report.choice.point is not None:
        yield f"<pre>{escape(report.tuned)}</pre>"
        command = f"make up SETTINGS={shlex.quote(str(report.settings))}"
        yield f"<p><code>{escape(command)}</code> starts a stack with them.</p>"


def _front(report: Report) -> Iterator[str]:
    points = front.points(report.dones)
    if not points:
        return
    best = front.front(points)

    def link(point: Point) -> str:
        return f"#setting-{points.index(point) + 1}"

    yield "<h2>The front</h2>"
    yield (
        '<p>Lower and further left is better. <b class="best">Filled</b> points are on the front: '
        "nothing is as good on all three axes and better on one. The square is the defaults. "
        "Each point leads to its figures, its median and its slowest waterfall.</p>"
    )
    yield f'<div class="wide">{chart.scatter(points, best, link)}</div>'
    yield "<ol>"
    for point in best:
        yield f'<li><a href="{link(point)}">{escape(point.title)}</a>: {_figures(point)}</li>'
    yield "</ol>"
    if any(point.axes[0] for point in points):
        drawn = chart.scatter(points, best, link, chart.STORED)
        yield f'<div class="wide">{drawn}</div>'
    else:
        yield "<p>All settings stored the whole load, so the throughput decides nothing here.</p>"


def _questions(report: Report) -> Iterator[str]:
    found = (
        (answers.LINGER_ASKED, [answers.linger(report.dones)]),
        (
            answers.POLL_ASKED,
            [answers.poll_records(report.dones), answers.poll_interval(report.dones)],
        ),
    )
    for asked, tables in found:
        yield f"<h2>{escape(asked)}</h2>"
        known = [table for table in tables if table is not None]
        if not known:
            yield "<p>Not measured: the budget ended before.</p>"
        for table in known:
            yield f"<p>{escape(table.says)}</p>"
            yield _table(table.head, table.rows)


def _trials(report: Report) -> Iterator[str]:
    yield "<h2>All trials</h2>"
    points = front.points(report.dones)
    numbers = {point.title: number for number, point in enumerate(points, start=1)}
    rows: list[str] = []
    for done in report.dones:
        title = escape(done.trial.title)
        if done.trial.title in numbers:
            title = f'<a href="#setting-{numbers[done.trial.title]}">{title}</a>'
        if done.measured is None:
            error = f'<td colspan="{len(_HEAD) - 2}">{escape(done.error)}</td>'
            rows.append(f"<tr><td>{done.number}</td><th>{title}</th>{error}</tr>")
            continue
        cells = "".join(f"<td>{cell}</td>" for cell in _cells(done.measured))
        rows.append(f"<tr><td>{done.number}</td><th>{title}</th>{cells}</tr>")
    yield _framed(_HEAD, rows)


def _cells(one: Measured) -> tuple[str, ...]:
    return (
        f"{one.stored:,.0f}",
        f"{one.time_to_glass.p50:,.1f}",
        f"{one.time_to_glass.p99:,.1f}",
        f"{one.stages_us:.1f}",
        *(f"{one.cpu_us.get(stage, 0):.1f}" for stage in STAGES),
        f"{one.kafka_us:.1f}",
        f"{one.batches_per_s:,.0f}",
        f"{one.records_per_batch:.1f}",
        str(sum(one.rebalances.values())),
    )


def _settings(point: Point, number: int, folder: Path) -> str:
    # The trial in the middle stands for all of the same setting; the slowest is of all of them.
    middle = sorted(point.measured, key=lambda one: one.time_to_glass.p99)[(point.times - 1) // 2]
    slowest = [one.slowest for one in point.measured if one.slowest is not None]
    pictures = [
        *_picture("median", middle.median, folder),
        *_picture("slowest", max(slowest, key=lambda one: one.ms, default=None), folder),
    ] or ["<p>No request of these trials was sampled, so there is no waterfall.</p>"]
    return (
        f'<section id="setting-{number}"><h3>{escape(point.title)}</h3>'
        f"<p>{_figures(point)}.</p>{''.join(pictures)}</section>"
    )


def _figures(point: Point) -> str:
    return (
        f"p50 {point.p50_ms.median:,.1f} ms, p99 {point.p99_ms.median:,.1f} ms, "
        f"{point.cpu_us.median:.1f} µs an event, {point.stored.median:,.0f} events/s; "
        f"{point.times} trial{'s' if point.times > 1 else ''}"
    )


def _picture(which: str, shown: Shown | None, folder: Path) -> Iterator[str]:
    if shown is None:
        return
    path = folder / shown.file
    if not path.is_file():
        yield f"<p>{escape(shown.file)} is missing.</p>"
        return
    # As an image, because the style inside a picture would be the whole page's.
    data = base64.b64encode(path.read_bytes()).decode()
    yield (
        f"<details><summary>the {which} waterfall: {shown.ms:,.1f} ms</summary>"
        f'<img alt="waterfall of trace {escape(shown.trace_id)}" '
        f'src="data:image/svg+xml;base64,{data}"></details>'
    )


def _table(head: Sequence[str], rows: answers.Rows) -> str:
    written = [
        f"<tr><th>{escape(row[0])}</th>"
        + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    ]
    return _framed(head, written)


def _framed(head: Sequence[str], rows: Sequence[str]) -> str:
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    body = "\n".join(rows)
    return (
        f'<div class="wide"><table><thead><tr>{titles}</tr></thead>\n<tbody>{body}</tbody>'
        "</table></div>"
    )


def markdown(report: Report) -> str:
    """Write the answers as a part of a document."""
    points = front.points(report.dones)
    best = front.front(points)
    parts = [conditions(report.run), answers.noise(report.dones), *report.remarks]
    kept = "" if report.choice.point else "keep the defaults. "
    parts.append(f"**Recommended**: {kept}{report.choice.why}")
    # The defaults to compare with, wherever they are.
    told = [*best, *(point for point in points if not point.changes and point not in best)]
    rows = [
        (
            point.title,
            str(point.times),
            f"{point.stored.median:,.0f}",
            f"{point.p50_ms.median:,.1f}",
            f"{point.p99_ms.median:,.1f}",
            f"{point.cpu_us.median:.1f}",
        )
        for point in told
    ]
    head = ("on the front, and the defaults", "trials", "events/s", "p50 ms", "p99 ms", "CPU µs")
    tables: list[tuple[str, Table | None]] = [
        ("### The front", Table("", head, rows)),
        (f"### {answers.LINGER_ASKED}", answers.linger(report.dones)),
        (f"### {answers.POLL_ASKED}", answers.poll_records(report.dones)),
        ("", answers.poll_interval(report.dones)),
    ]
    for title, table in tables:
        if table is not None:
            grid = sheets.grid(Sheet(table.title, table.head, table.rows))
            parts += filter(None, (title, table.says, grid))
    return "\n\n".join(parts) + "\n"
