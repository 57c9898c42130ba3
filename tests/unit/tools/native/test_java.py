"""Which Java will do."""

from __future__ import annotations

import pytest

from tools.native.java import major_in


@pytest.mark.parametrize(
    ("said", "major"),
    [
        ('openjdk version "17.0.20" 2026-07-21', 17),
        ('java version "1.8.0_402"', 1),
        ('Picked up JAVA_TOOL_OPTIONS: -Xmx64m\nopenjdk version "21" 2023-09-19', 21),
        ('Picked up JAVA_TOOL_OPTIONS: -Dversion=25\nopenjdk version "11.0.2"', 11),
        ("", 0),
    ],
)
def test_the_version_is_what_java_says_of_itself(said: str, major: int) -> None:
    assert major_in(said) == major
