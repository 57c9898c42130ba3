"""Where results go, also those of a bench that ends early."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bench.report.sheets import Account, Sheet
from bench.report.target import Target
from tools.errors import OperatorError


class Told(msgspec.Struct):
    runs: int


def account(runs: int) -> Account:
    return Account(
        name="tracing",
        told=Told(runs),
        preamble=["Here."],
        sheets=[Sheet("Runs", ("of", "number"), [["all", f"{runs}"]])],
        charts={"tracing-runs": "<svg><title>Runs</title></svg>"},
    )


def test_a_document_gets_the_tables_and_the_charts_beside_it(tmp_path: Path) -> None:
    target = Target(json=tmp_path / "found.json", write=tmp_path / "benchmarks.md")
    target.publish(account(3))

    text = (tmp_path / "benchmarks.md").read_text()
    assert "Runs:\n\n| of | number |\n|---|---:|\n| all | 3 |" in text
    assert "![Runs](images/tracing-runs.svg)" in text
    assert (tmp_path / "images" / "tracing-runs.svg").is_file()
    assert msgspec.json.decode((tmp_path / "found.json").read_bytes()) == {"runs": 3}


def test_what_was_found_before_an_early_end_is_noted_and_no_document_written(
    tmp_path: Path,
) -> None:
    target = Target(json=tmp_path / "found.json", write=tmp_path / "benchmarks.md")

    with pytest.raises(KeyboardInterrupt), target.noting(lambda: account(2)):
        raise KeyboardInterrupt
    assert msgspec.json.decode((tmp_path / "found.json").read_bytes()) == {"runs": 2}
    assert not (tmp_path / "benchmarks.md").exists()


def test_nothing_is_noted_where_nothing_was_found(tmp_path: Path) -> None:
    target = Target(json=tmp_path / "found.json")

    with pytest.raises(OperatorError), target.noting(lambda: None):
        raise OperatorError("no stack")
    assert not (tmp_path / "found.json").exists()


def test_a_place_that_cannot_be_written_to_is_refused_before(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"make .*gone first"):
        Target(json=tmp_path / "gone" / "found.json").check("tracing")
    (tmp_path / "README.md").write_text("# Home\n")
    with pytest.raises(OperatorError, match="no place for tracing"):
        Target(write=tmp_path / "README.md").check("tracing")
