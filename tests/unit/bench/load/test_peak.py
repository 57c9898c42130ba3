"""The search for the most that is stored a second."""

from __future__ import annotations

import pytest

from bench.load.peak import Search


def found(guess: float, limit: float, *, share_past_it: float = 0.5) -> Search:
    """Search where all is stored up to a limit, and past it only a share of that."""
    search = Search(guess)
    while not search.is_over:
        offered = search.offered_per_s
        search.note(offered if offered <= limit else share_past_it * limit)
    return search


@pytest.mark.parametrize("guess", [2_000, 9_000, 11_000, 40_000])
def test_the_limit_is_found_from_below_and_from_above(guess: float) -> None:
    assert found(guess, limit=10_000).best_per_s == pytest.approx(10_000, rel=0.1)


def test_what_is_stored_past_the_limit_counts_where_it_is_more() -> None:
    assert found(20_000, limit=10_000, share_past_it=1.2).best_per_s == pytest.approx(12_000)


def test_a_search_that_finds_no_limit_ends() -> None:
    assert found(1_000, limit=1e12).looks == 10
