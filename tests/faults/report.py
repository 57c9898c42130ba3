"""The results of many rows as a table, for the terminal and for the documents."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from bench.watch import machine
from tests.faults.scene import Result

WRITE_HELP = "a .md file whose table is replaced, or a folder for results.md and results.json"
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


def write(results: Sequence[Result], place: Path, section: str) -> None:
    """Write the table between the marks of a document; or into a folder, with all as JSON."""
    if place.suffix == ".md":
        place.write_text(put(place.read_text(), section, f"{where()}\n\n{table(results)}"))
        return
    place.mkdir(parents=True, exist_ok=True)
    (place / "results.md").write_text(table(results))
    whole = [
        {"name": one.name, "fault": one.fault, "took_s": one.took_s, **one.verdict}
        for one in results
    ]
    (place / "results.json").write_text(json.dumps(whole, indent=1))


def put(document: str, section: str, text: str) -> str:
    """Put a text between the two marks of a section. Raises `ValueError` if they are not there."""
    begin, end = f"<!-- {section}: written by make -->", f"<!-- {section}: end -->"
    parts = re.split(f"({re.escape(begin)}|{re.escape(end)})", document)
    if parts[1::2] != [begin, end]:
        raise ValueError(f"the document needs {begin} and {end}, once and in this order")
    return f"{parts[0]}{begin}\n\n{text.strip()}\n\n{end}{parts[4]}"


def where() -> str:
    """Say when, where and with what this runs."""
    found = machine.look()
    versions = ", ".join(f"{name} {number}" for name, number in found.versions.items())
    return (
        f"{found.date}, commit {found.commit}: {found.cores} cores of {found.processor}, "
        f"{found.memory_gib} GiB, {found.system}. {versions}."
    )


def _line(result: Result) -> tuple[str, ...]:
    found = result.verdict
    limit = f"{result.limit_s:g} s" if result.limit_s else "-"
    return (
        result.name,
        result.fault,
        str(found["faults"]),
        f"{found['acked']:,}",
        str(found["lost"]),
        "-" if found["doubled"] is None else str(found["doubled"]),
        "-" if found["recovery_s"] is None else f"{found['recovery_s']:.1f} s",
        limit,
        found["verdict"],
    )
