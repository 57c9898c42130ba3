"""Documents with a section of a bench, and those that have no place for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.report import document
from tools.errors import OperatorError


def test_a_document_gets_a_section_at_its_end_once() -> None:
    first = document.put("# Benchmarks\n\nHow.\n", "tracing", "one")
    second = document.put(first, "tracing", r"two \1")

    assert first.startswith("# Benchmarks\n\nHow.\n\n<!-- tracing")
    assert "one" not in second
    assert second == first.replace("one", r"two \1")


def test_sections_stand_beside_each_other() -> None:
    both = document.put(document.put("# Benchmarks\n", "tracing", "one"), "peers", "two")
    changed = document.put(both, "tracing", "three")

    assert changed == both.replace("one", "three")


def test_a_document_that_is_new_is_made(tmp_path: Path) -> None:
    path = tmp_path / "benchmarks.md"

    document.check(path, "tracing")
    document.write(path, "tracing", "one")
    document.check(path, "tracing")
    assert path.read_text().startswith("# Benchmarks\n\n<!-- tracing")


def test_a_document_without_the_marks_is_refused_with_the_two_lines(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(document.put("# Home\n", "peers", "one"))

    document.check(path, "peers")
    with pytest.raises(OperatorError) as raised:
        document.check(path, "tracing")
    path.write_text(path.read_text() + "\n".join(str(raised.value).splitlines()[1:]))
    document.check(path, "tracing")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"make .*gone first"):
        document.check_folder(tmp_path / "gone" / "found.json")
    with pytest.raises(OperatorError, match="is a folder; name a file"):
        document.check_folder(tmp_path)
