"""`bench sizing`: what rates of events take, from what `bench scaling` has measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number

from bench.report import sheets
from bench.scaling import growth
from bench.sizing import report as sizing_report
from bench.sizing.sized import Assumed, Sizing, Told
from tools.errors import OperatorError

_RATES = (1e4, 1e5, 1e6, 9e6, 1e7)


def sizing(
    measured: Path,
    *,
    assumed: Assumed | None = None,
    rate: Sequence[Annotated[float, Parameter(validator=Number(gt=0))]] = _RATES,
    json: Path | None = None,
    write: Path | None = None,
) -> None:
    """Work out what rates of events take, from what `bench scaling --json` has measured.

    Parameters
    ----------
    measured
        What `bench scaling --json` wrote.
    rate
        Events a second.
    json
        A file for all that was worked out.
    write
        A document to put the tables into, for example docs/scale.md.
    """
    try:
        found = msgspec.json.decode(measured.read_bytes(), type=growth.Told)
    except (OSError, msgspec.MsgspecError) as error:
        raise OperatorError(
            f"{measured} is not what `python -m bench scaling --json` writes: {error}"
        ) from error
    work = Sizing(found.costs, assumed or Assumed(), found.machine.cores)
    told = Told(
        machine=found.machine,
        costs=found.costs,
        assumed=work.assumed,
        sized=[work.at(one) for one in sorted(rate)],
        limits=work.limits(),
    )
    sheets.publish(sizing_report.account(told), json, write)
