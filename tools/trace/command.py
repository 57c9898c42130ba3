"""`ttg trace`: one waterfall in the terminal, the slowest of many, or all against a budget."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number
from rich.console import Console

from libs.clock import now_us
from tools.env import load
from tools.errors import OperatorError
from tools.progress import Step
from tools.trace import (
    budget as budgets,
    critical,
    drawing,
    jaeger,
    judgement,
    picture,
    ranking,
    tables,
)
from tools.trace.recent import recent

# Where output goes to a file, there is no width to ask for.
_FILE_WIDTH = 120
_TRACE_ID = re.compile(r"[0-9a-f]{32}")
# What Jaeger of this stack keeps.
_AMONG_MAX = 20_000
_Count = Number(gte=1, lte=_AMONG_MAX)
# Apart from 1, which says that a budget was exceeded.
_NOT_JUDGED = 2


def trace(
    trace_id: str = "",
    *,
    json: Annotated[bool, Parameter(negative=())] = False,
    svg: Path | None = None,
    slowest: Annotated[int | None, Parameter(validator=_Count)] = None,
    budget: Path | None = None,
    among: Annotated[int, Parameter(validator=_Count)] = 2_000,
) -> int:
    """Draw a waterfall with its critical path, rank the slowest, or judge all by a budget.

    The critical path goes from the rows back to the request, also across Kafka: each microsecond
    is a stage's work, a part of a queue, the broker, the database, or unexplained.

    Examples::

        ttg trace
        ttg trace 4bf92f3577b34da6a3ce929d0e0e4736
        ttg trace --svg waterfall.svg
        ttg trace --slowest 20
        ttg trace --slowest 5 --among 200 --json
        ttg trace --budget deploy/trace-budget.toml

    Parameters
    ----------
    trace_id
        The `trace_id` of an answer; without it, the newest request that reached the glass.
    json
        Print JSON instead.
    svg
        Write the waterfall as a picture to this file, too.
    slowest
        Rank so many of the newest traces, the slowest first, each with what took most, as in
        `ttg trace --slowest 20`.
    budget
        Compare the newest traces with the limits in this TOML file, as in
        `ttg trace --budget deploy/trace-budget.toml`. The exit code is 1 if one is exceeded, and 2
        if nothing could be judged, as of fewer than 10 traces.
    among
        How many of the newest traces `--slowest` and `--budget` look at.
    """
    if sum((bool(trace_id or svg), slowest is not None, budget is not None)) > 1:
        raise OperatorError("draw one trace, or give --slowest, or --budget; not two of them.")
    if slowest is not None:
        return _rank(slowest, among, as_json=json)
    if budget is not None:
        return _judge(budget, among, as_json=json)
    return _draw(trace_id, svg, as_json=json)


def _draw(trace_id: str, svg: Path | None, *, as_json: bool) -> int:
    jaeger_url = load().jaeger_url
    found = _named(jaeger_url, trace_id.lower()) if trace_id else _newest(jaeger_url)
    if svg is not None:
        _write(svg, picture.svg(found))
    if as_json:
        path = critical.path(found)
        _print({"id": found.id, "spans": found.spans, "critical_path": path})
    else:
        drawing.draw(_console(), found, f"{jaeger_url}/trace/{found.id}")
    return 0


def _rank(count: int, among: int, *, as_json: bool) -> int:
    traces = _recent(among)
    if not traces:
        raise OperatorError("there are no traces yet; send an event, or run `make load`.")
    ranks = ranking.slowest(traces, count)
    if as_json:
        _print([ranking.as_json(one) for one in ranks])
    else:
        tables.draw_ranks(_console(), ranks, [ranking.took_us(trace) for trace in traces])
    return 0


def _judge(path: Path, among: int, *, as_json: bool) -> int:
    try:
        judged = judgement.judge(budgets.read(path), _recent(among))
    except OperatorError as error:
        sys.stderr.write(f"ttg: {error}\n")
        return _NOT_JUDGED
    if as_json:
        _print(judgement.as_json(judged))
    else:
        tables.draw_judgement(_console(), judged)
    return 0 if judged.is_kept else 1


def _recent(among: int) -> list[jaeger.Trace]:
    """Get the newest traces that had ended when this was asked."""
    jaeger_url, asked_us = load().jaeger_url, now_us()
    with Step("Reading traces") as step:
        # By then the stages have exported what they had.
        time.sleep(jaeger.QUIET_S)

        def ask(start_us: int, end_us: int, limit: int) -> list[jaeger.Trace]:
            return jaeger.between(jaeger_url, start_us, end_us, limit)

        return recent(ask, asked_us, among, step.update)


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_FILE_WIDTH)


def _print(found: Any) -> None:
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")


def _named(jaeger_url: str, trace_id: str) -> jaeger.Trace:
    if not _TRACE_ID.fullmatch(trace_id):
        raise OperatorError(f"{trace_id!r} is no trace id; one has 32 hexadecimal digits.")
    found = jaeger.find(jaeger_url, trace_id)
    if found is None:
        raise OperatorError(
            f"Jaeger has no trace {trace_id}: it was not sampled, or Jaeger was restarted since."
        )
    return found


def _newest(jaeger_url: str) -> jaeger.Trace:
    found = jaeger.newest(jaeger_url)
    if found is None:
        raise OperatorError("there are no traces yet; send an event, or run `make load`.")
    return found


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise OperatorError(f"{path} cannot be written: {error.strerror}.") from error
