"""Programs that are run: what they print, how they fail."""

from __future__ import annotations

import sys

import pytest

from tools.errors import OperatorError
from tools.native.commands import Run, output, version_in

PYTHON = sys.executable


def test_each_line_is_seen_as_it_comes() -> None:
    seen: list[str] = []

    Run([PYTHON, "-c", "print('one'); print('two')"], remedy="")(seen.append)
    assert seen == ["one", "two"]


def test_a_failure_names_the_program_the_remedy_and_what_it_said_last() -> None:
    with pytest.raises(OperatorError, match=r"failed with code 3\. Try again\.\n  the reason"):
        Run([PYTHON, "-c", "print('the reason'); exit(3)"], remedy="Try again.")()


def test_a_program_that_is_not_there_is_an_error_with_the_remedy() -> None:
    with pytest.raises(OperatorError, match=r"does not run .* Install it"):
        Run(["/no/such/program"], remedy="Install it.")()


def test_output_of_what_does_not_work_is_empty() -> None:
    assert output(["/no/such/program"]) == ""
    assert output([PYTHON, "-c", "print('x'); exit(1)"]) == ""
    assert output([PYTHON, "-c", "print('15.2')"]) == "15.2\n"


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("postgres (PostgreSQL) 15.18 (Debian 15.18-0)", (15, 18)),
        ('openjdk version "17.0.20" 2026-07-21', (17, 0, 20)),
        ("go1.26.8", (1, 26, 8)),
        ("no number", ()),
    ],
)
def test_a_version_is_the_first_number_of_a_text(text: str, version: tuple[int, ...]) -> None:
    assert version_in(text) == version
