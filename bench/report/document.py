"""A document that has the tables of each bench between two marks of its own."""

from __future__ import annotations

import re
from pathlib import Path

from tools.errors import OperatorError


def check_folder(path: Path) -> None:
    """Raise `OperatorError` if a file cannot be put there."""
    if not path.parent.is_dir():
        raise OperatorError(f"{path} has no folder to be in; make {path.parent} first.")
    if path.is_dir():
        raise OperatorError(f"{path} is a folder; name a file.")


def check(path: Path, name: str) -> None:
    """Raise `OperatorError` if a section cannot be put there; a document that is new is made."""
    check_folder(path)
    if path.exists() and not _marked(name).search(path.read_text()):
        begin, end = _marks(name)
        raise OperatorError(
            f"{path} has no place for {name}; put these two lines where it is to be:\n"
            f"{begin}\n{end}"
        )


def write(path: Path, name: str, section: str) -> None:
    """Put a section into a document, which is made if there is none."""
    document = path.read_text() if path.exists() else "# Benchmarks\n"
    path.write_text(put(document, name, section))


def put(document: str, name: str, section: str) -> str:
    """Put a section between its two marks in a document, or at the end with new marks."""
    begin, end = _marks(name)
    marked = f"{begin}\n\n{section.strip()}\n\n{end}"
    if _marked(name).search(document):
        return _marked(name).sub(lambda _match: marked, document)
    return f"{document.rstrip()}\n\n{marked}\n"


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- {name}: written by the bench -->", f"<!-- {name}: end -->"


def _marked(name: str) -> re.Pattern[str]:
    begin, end = (re.escape(mark) for mark in _marks(name))
    return re.compile(f"{begin}.*{end}", re.DOTALL)
