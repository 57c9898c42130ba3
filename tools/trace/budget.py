"""A budget for traces: a TOML file of limits for the time to glass and for its parts."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.topology import PIPELINE, Hop
from tools.errors import OperatorError
from tools.trace.critical import KINDS, QUEUE_PARTS, SEND_PARTS
from tools.trace.place import STORE_PARTS

WHOLE = "time_to_glass"
PERCENTS = {"p50_ms": 50.0, "p90_ms": 90.0, "p99_ms": 99.0, "max_ms": 100.0}
_SHARE = "share_max"
_KEY = re.compile(rf"(?:([a-z_]+)_)?({'|'.join([*PERCENTS, _SHARE])})")


@dataclass(frozen=True, slots=True)
class Limit:
    """One line of a budget: what is measured, how, and how much it may be (ms, or 0 to 1).

    `part` is a kind such as `queue`, or a part of one such as `queue_slot`; empty for all.
    """

    section: str
    part: str
    quantity: str
    value: float

    @property
    def key(self) -> str:
        """What the file calls it."""
        return f"{self.part}_{self.quantity}" if self.part else self.quantity

    @property
    def is_share(self) -> bool:
        """Whether it is of a part in the whole, and not of a time."""
        return self.quantity == _SHARE


def read(path: Path) -> list[Limit]:
    """Read a budget. Raises `OperatorError` if it holds anything but limits that are known."""
    try:
        return parse(tomllib.loads(path.read_text()), str(path))
    except OSError as error:
        raise OperatorError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise OperatorError(f"{path} is not TOML: {error}.") from error


def parse(found: dict[str, Any], name: str) -> list[Limit]:
    """Find the limits in what a file holds. Raises `OperatorError`."""
    limits = [limit for section, keys in found.items() for limit in _section(section, keys, name)]
    if not limits:
        raise OperatorError(f"{name} holds no limit; deploy/trace-budget.toml is an example.")
    return limits


def _section(section: str, keys: Any, name: str) -> Iterator[Limit]:
    if section not in _PARTS or not isinstance(keys, dict):
        known = ", ".join(f"[{one}]" for one in _PARTS)
        raise OperatorError(f"{name}: [{section}] is no section of a budget; known are {known}.")
    for key, value in keys.items():
        yield _limit(section, str(key), value, name)


def _limit(section: str, key: str, value: Any, name: str) -> Limit:
    matched = _KEY.fullmatch(key)
    part, quantity = (matched[1] or "", matched[2]) if matched else ("", "")
    # Only all of it has limits without a part, and its share is always all.
    is_known = part in _PARTS[section] if part else section == WHOLE and quantity in PERCENTS
    if not is_known:
        raise OperatorError(f"{name}: [{section}] has no limit {key!r}; {_known(section)}")
    upper = 1.0 if quantity == _SHARE else float("inf")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= upper:
        wanted = "a number from 0 to 1" if quantity == _SHARE else "a number of ms"
        raise OperatorError(f"{name}: [{section}] {key} is {value!r}, and must be {wanted}.")
    return Limit(section, part, quantity, value)


def _known(section: str) -> str:
    alone = f"{', '.join(PERCENTS)}, and " if section == WHOLE else ""
    endings = ", ".join(f"_{quantity}" for quantity in (*PERCENTS, _SHARE))
    parts = ", ".join(_PARTS[section])
    return f"known are {alone}{parts}, each with one of {endings}."


def _parts(hop: Hop) -> Iterator[str]:
    """Name what a stage can spend time on."""
    yield "work"
    if not hop.reads:
        yield from ("work_parse", "work_aggregate")
    else:
        yield "queue"
        yield from (f"queue_{part}" for part in QUEUE_PARTS)
    if hop.writes:
        yield "broker"
        yield from (f"broker_{part}" for part in SEND_PARTS if part != "aggregate")
    else:
        yield "database"
        yield from (f"database_{part.lower()}" for part in STORE_PARTS)


_PARTS: dict[str, list[str]] = {
    WHOLE: list(KINDS),
    **{hop.stage: list(_parts(hop)) for hop in PIPELINE},
}
