"""The results of many rows as a table, for the terminal and for the documents."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tests.faults.scene import Result

_HEAD = ("", "fault", "times", "acked", "lost", "doubled", "recovery", "limit", "verdict")


def table(results: Sequence[Result]) -> str:
    """Write a markdown table."""
    lines = [_HEAD, ("---", "---", *("---:" for _ in _HEAD[2:-1]), "---")]
    lines += [_line(result) for result in results]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def findings(result: Result) -> list[str]:
    """Say of a result that is not green why."""
    said = [
        f"{finding['checker']}: {example}"
        for finding in result.verdict["findings"]
        for example in finding["examples"]
    ]
    return said + result.verdict["invalid"]


def write(results: Sequence[Result], folder: Path) -> None:
    """Write the table, and everything as JSON, into a folder."""
    (folder / "results.md").write_text(table(results))
    whole = [
        {"name": one.row.name, "fault": one.row.fault, "took_s": one.took_s, **one.verdict}
        for one in results
    ]
    (folder / "results.json").write_text(json.dumps(whole, indent=1))


def _line(result: Result) -> tuple[str, ...]:
    found = result.verdict
    limit = f"{result.row.recovery_s:g} s" if result.row.recovery_s else "-"
    return (
        result.row.name,
        result.row.fault,
        str(found["faults"]),
        f"{found['acked']:,}",
        str(found["lost"]),
        str(found["doubled"]),
        "-" if found["recovery_s"] is None else f"{found['recovery_s']:.1f} s",
        limit,
        found["verdict"],
    )
