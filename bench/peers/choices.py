"""What an option chooses, written with commas: `blog,ours` or `1,10,100`."""

from __future__ import annotations

from collections.abc import Collection

from tools.errors import OperatorError


def words(text: str, known: Collection[str]) -> list[str]:
    """Return the words of a text. Raises `OperatorError` if one is not known."""
    chosen = [word.strip() for word in text.split(",")]
    for word in chosen:
        if word not in known:
            raise OperatorError(f"{word!r} is none of {', '.join(known)}.")
    return list(dict.fromkeys(chosen))


def numbers(text: str, lowest: float, highest: float) -> list[float]:
    """Return the numbers of a text. Raises `OperatorError` if one is not between the two."""
    chosen: list[float] = []
    for word in text.split(","):
        try:
            number = float(word)
        except ValueError as error:
            raise OperatorError(f"{word!r} is not a number.") from error
        if not lowest <= number <= highest:
            raise OperatorError(f"{number:g} is not between {lowest:g} and {highest:g}.")
        chosen.append(number)
    return list(dict.fromkeys(chosen))
