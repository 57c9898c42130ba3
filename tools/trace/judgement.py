"""What was measured against each limit of a budget."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tools.errors import OperatorError
from tools.trace import critical
from tools.trace.budget import PERCENTS, WHOLE, Limit
from tools.trace.jaeger import Trace
from tools.trace.percentile import percentile
from tools.trace.ranking import is_retro, took_us

# Fewer say nothing of a percentile.
TRACES_MIN = 10


@dataclass(frozen=True, slots=True)
class Verdict:
    """A limit and what was measured, in its unit."""

    limit: Limit
    measured: float

    @property
    def is_kept(self) -> bool:
        """Whether what was measured is within the limit."""
        return self.measured <= self.limit.value


@dataclass(frozen=True, slots=True)
class Judgement:
    """All verdicts, and of how many traces.

    Traces that failed have no time to glass. Those told after the fact are there because they were
    slow, so percentiles with them would say nothing of all requests.
    """

    judged: int
    failed: int
    retro: int
    verdicts: list[Verdict]

    @property
    def is_kept(self) -> bool:
        """Whether every limit is."""
        return all(verdict.is_kept for verdict in self.verdicts)


def judge(limits: Sequence[Limit], traces: Sequence[Trace]) -> Judgement:
    """Measure traces that have a root. Raises `OperatorError` if they are too few."""
    retro = [trace for trace in traces if is_retro(trace)]
    failed = [t for t in traces if t.root and t.root.is_failed and not is_retro(t)]
    left_out = {trace.id for trace in (*retro, *failed)}
    judged = [trace for trace in traces if trace.id not in left_out]
    if len(judged) < TRACES_MIN:
        raise OperatorError(
            f"{len(judged)} traces are nothing to judge by, it takes {TRACES_MIN} "
            f"(left out: {len(failed)} failed, {len(retro)} told afterwards); run `make load`."
        )
    durations_us = [_durations_us(trace) for trace in judged]
    verdicts = [Verdict(limit, _measure(limit, durations_us)) for limit in limits]
    return Judgement(len(judged), len(failed), len(retro), verdicts)


def as_json(judgement: Judgement) -> dict[str, object]:
    """Give a judgement to a script; times in ms, shares from 0 to 1."""
    return {
        "is_kept": judgement.is_kept,
        "judged": judgement.judged,
        "left_out": {"failed": judgement.failed, "retro": judgement.retro},
        "limits": [
            {
                "section": verdict.limit.section,
                "key": verdict.limit.key,
                "measured": round(verdict.measured, 4),
                "limit": verdict.limit.value,
                "is_kept": verdict.is_kept,
            }
            for verdict in judgement.verdicts
        ],
    }


def _durations_us(trace: Trace) -> Counter[tuple[str, str]]:
    """What a trace spent, by section and part."""
    durations_us = Counter({(WHOLE, ""): took_us(trace)})
    for section in critical.path(trace):
        durations_us[WHOLE, section.kind] += section.duration_us
        durations_us[section.stage, section.kind] += section.duration_us
        part = f"{section.kind}_{section.part.lower()}"
        durations_us[section.stage, part] += section.duration_us
    return durations_us


def _measure(limit: Limit, durations_us: Sequence[Counter[tuple[str, str]]]) -> float:
    values = [one[limit.section, limit.part] for one in durations_us]
    if limit.is_share:
        return sum(values) / max(sum(one[WHOLE, ""] for one in durations_us), 1)
    return percentile(values, PERCENTS[limit.quantity]) / 1_000
