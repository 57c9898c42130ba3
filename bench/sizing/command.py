"""`bench sizing`: what rates of events take, from what `bench scaling` has measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number

from bench.report.target import Target
from bench.scaling import growth
from bench.sizing import report
from bench.sizing.sized import Assumed, Sizing, Told
from tools.errors import OperatorError

_RATES = (1e4, 1e5, 1e6, 9e6, 1e7)


def sizing(
    measured: Path,
    *,
    assumed: Assumed | None = None,
    rate: Sequence[Annotated[float, Parameter(validator=Number(gt=0))]] = _RATES,
    target: Target | None = None,
) -> None:
    """Work out what rates of events take, from what `bench scaling --json` has measured.

    Parameters
    ----------
    measured
        What `bench scaling --json` wrote.
    rate
        Events a second.
    """
    told_to = target or Target()
    told_to.check("sizing")
    try:
        found = msgspec.json.decode(measured.read_bytes(), type=growth.Told)
    except (OSError, msgspec.MsgspecError) as error:
        raise OperatorError(
            f"{measured} is not what `python -m bench scaling --json` writes: {error}"
        ) from error
    if found.costs is None:
        raise OperatorError(f"{measured} is of a bench that was ended early; run it to its end.")
    work = Sizing(found.costs, assumed or Assumed(), found.machine.cores)
    told = Told(
        machine=found.machine,
        costs=found.costs,
        assumed=work.assumed,
        sized=[work.at(one) for one in sorted(rate)],
        limits=work.limits(),
    )
    told_to.publish(report.account(told))
