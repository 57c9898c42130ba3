"""Options that choose several things."""

from __future__ import annotations

import pytest

from bench.peers import choices
from tools.errors import OperatorError


def test_words_are_taken_once_and_in_their_order() -> None:
    assert choices.words("ours, blog,ours", ["blog", "quix", "ours"]) == ["ours", "blog"]


def test_a_word_that_is_not_known_is_told_with_those_that_are() -> None:
    with pytest.raises(OperatorError, match="'faust' is none of blog, ours"):
        choices.words("ours,faust", ["blog", "ours"])


def test_numbers_are_taken_once_and_in_their_order() -> None:
    assert choices.numbers("100,1,0.5,1", 0, 100) == [100, 1, 0.5]


@pytest.mark.parametrize(
    ("text", "said"),
    [("1,many", "'many' is not a number"), ("101", "101 is not between"), ("nan", "not between")],
)
def test_what_is_no_number_in_between_is_told(text: str, said: str) -> None:
    with pytest.raises(OperatorError, match=said):
        choices.numbers(text, 0, 100)
