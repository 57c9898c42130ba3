"""What a reader must know beside the figures."""

from __future__ import annotations

from collections.abc import Sequence

from bench.tune import front
from bench.tune.folder import Run
from bench.tune.trial import Done, Measured

# Less of the load than this was stored while it lasted: it is more than the settings can do.
_SHARE_MIN = 0.9
# A rate at which latency can be looked at.
_SAFE_SHARE = 0.8


def of(run: Run, dones: Sequence[Done]) -> list[str]:
    """Say what is wrong with a run as a whole."""
    base = front.defaults(front.points(dones))
    found = [too_much(run, base.measured[0])] if base is not None else []
    failed = sorted({done.trial.title for done in dones if done.error})
    if failed:
        found.append(f"No figures of {', '.join(failed)}; the table of trials says why.")
    return [remark for remark in found if remark]


def too_much(run: Run, measured: Measured) -> str:
    """Say that a load is more than what was measured can store; empty if it is not."""
    if measured.share >= _SHARE_MIN:
        return ""
    reached = measured.stored
    return (
        f"RATE={run.rate:,.0f} is more than this machine stores with the defaults: {reached:,.0f} "
        "events/s were reached. Time to glass then grows for as long as the load lasts, and the "
        f"throughput decides; RATE={_SAFE_SHARE * reached:.0f} would show latency."
    )
