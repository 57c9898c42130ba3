"""The order of the rounds."""

from __future__ import annotations

from bench.load.turns import in_turn, shuffled


def test_each_round_begins_with_another_variant() -> None:
    rounds = [list(in_turn(["a", "b", "c"], number)) for number in range(1, 5)]

    assert rounds == [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"], ["a", "b", "c"]]


def test_each_round_has_all_loads_in_an_order_of_its_own() -> None:
    shares = list(range(9))
    rounds = [shuffled(shares, number) for number in range(1, 4)]

    assert all(sorted(one) == shares for one in rounds)
    assert len({tuple(one) for one in rounds}) == 3
    assert shuffled(shares, 1) == rounds[0]
