"""Where the results of a bench go: this terminal, a file for scripts, a part of a document."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cyclopts import Parameter
from rich.console import Console

from bench.report import document, sheets
from bench.report.sheets import IMAGES, Account


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where the results go, beside this terminal.

    Parameters
    ----------
    json
        A file for all that was measured.
    write
        A document to put the tables into, for example docs/benchmarks.md, with charts beside it.
    """

    json: Path | None = None
    write: Path | None = None

    def check(self, name: str) -> None:
        """Raise `OperatorError` if what a bench tells cannot be put there in the end."""
        if self.json is not None:
            document.check_folder(self.json)
        if self.write is not None:
            document.check(self.write, name)

    def publish(self, account: Account) -> None:
        """Print it, and put it where it is wanted."""
        self.note(account)
        if self.write is not None:
            images = self.write.parent / IMAGES
            for name, chart in account.charts.items():
                images.mkdir(exist_ok=True)
                (images / f"{name}.svg").write_text(chart)
            document.write(self.write, account.name, sheets.markdown(account))

    def note(self, account: Account) -> None:
        """Print it, and write it for scripts; no document gets what is not whole."""
        sheets.draw(Console(), account)
        if self.json is not None:
            self.json.write_bytes(msgspec.json.format(msgspec.json.encode(account.told)) + b"\n")

    @contextmanager
    def noting(self, account: Callable[[], Account | None]) -> Generator[None]:
        """Note what was found by then if the work ends early, by Ctrl-C or by an error."""
        try:
            yield
        except BaseException:
            # Of a run of many minutes not all is lost.
            if (found := account()) is not None:
                self.note(found)
            raise
