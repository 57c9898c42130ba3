"""Runs rows of the table on one stack: `python -m tests.faults.run [--only F04] [--all]`.

The exit code is 0 if all are green. Ledgers, records, verdicts and the logs of the stages stay in
the folder that it names, unless everything is green.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.faults import mechanism, report, rows
from tests.faults.mechanism import Mechanism
from tests.faults.scene import Result, Row, play
from tests.stack import Stack, running

_TERMINATED = 128 + signal.SIGTERM


def main(words: list[str]) -> int:
    """Run what is asked for and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.run")
    parser.add_argument("--only", default="F", metavar="F04,F2", help="rows whose names begin so")
    parser.add_argument("--all", action="store_true", help="also the rows that are not P0")
    parser.add_argument("--write", type=Path, help=report.WRITE_HELP)
    given = parser.parse_args(words)
    wanted = [row for row in rows.chosen(given.only) if row.is_p0 or given.all or given.only != "F"]
    if not wanted:
        parser.error(f"there is no row {given.only}")
    folder = Path(tempfile.mkdtemp(prefix="ttg-faults-"))
    ended_by_signal()
    results = [said(mechanism.play(row, folder)) for row in wanted if isinstance(row, Mechanism)]
    if on_stack := [row for row in wanted if isinstance(row, Row)]:
        with running(folder / "state", MODE="native") as stack:
            results += play_all(stack, on_stack, folder)
            if not all(result.is_green for result in results):
                shutil.copytree(folder / "state" / "logs", folder / "logs")
    results.sort(key=lambda result: result.name)
    is_green = all(result.is_green for result in results)
    if given.write:
        report.write(results, given.write, "faults")
    print("\n" + report.table(results))  # noqa: T201
    if is_green:
        shutil.rmtree(folder)
    else:
        print(f"what is left of it: {folder}")  # noqa: T201
    return 0 if is_green else 1


def ended_by_signal() -> None:
    """Let SIGTERM end this process as Ctrl-C does: the stack is taken away first."""
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(_TERMINATED))


def play_all(stack: Stack, wanted: Sequence[Row], folder: Path) -> list[Result]:
    """Run rows one after the other, each with a ledger of its own, and say how each went."""
    return [said(play(stack, row, folder / row.name)) for row in wanted]


def said(result: Result) -> Result:
    """Print how a row went."""
    print(  # noqa: T201
        f"{result.name:12} {result.verdict['verdict']:8} {result.took_s:4.0f} s  {result.fault}",
        *report.findings(result), sep="\n         ", flush=True,
    )  # fmt: skip
    return result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
