"""What is wanted of ours, and which peers are not behind."""

from __future__ import annotations

import pytest

from bench.peers.claims import claims, unbeaten
from bench.peers.figures import Cell, Figure, Figures

OURS_1 = Cell("chain", "ours", 100, 1)
OURS_100 = Cell("chain", "ours", 100, 100)


def figure(
    cell: Cell, events_per_s: float, cpu_us: float = 1.0, p99_ms: float = 0.0, number: int = 1
) -> Figure:
    return Figure(
        cell=cell,
        round=number,
        events=1_000,
        took_s=1_000 / events_per_s,
        cpu_us_per_event={"sink": cpu_us},
        p99_ms=p99_ms,
    )


def test_nothing_is_claimed_of_what_was_not_measured() -> None:
    assert claims(Figures([figure(Cell("chain", "blog", 1, 1), 1_000)])) == []


@pytest.mark.parametrize(
    ("peer", "theirs", "ours", "is_met"),
    [
        (Cell("chain", "blog", 1, 1), 1_000, 60_100, True),
        (Cell("chain", "blog", 1, 1), 1_000, 59_900, False),
        (Cell("chain", "good-afternoon", 1, 1), 10_000, 50_100, True),
        (Cell("chain", "good-afternoon", 1, 1), 10_000, 49_900, False),
        (Cell("chain", "reference", 1, 0), 20_000, 50_100, True),
        (Cell("chain", "reference", 1, 0), 20_000, 49_900, False),
    ],
)
def test_ours_must_be_so_many_times_a_peer(
    peer: Cell, theirs: float, ours: float, is_met: bool
) -> None:
    figures = Figures([figure(peer, theirs), figure(OURS_1, ours)])

    (claim,) = (claim for claim in claims(figures) if peer.system in claim.what)
    assert claim.is_met is is_met


def test_the_blog_is_held_against_ours_at_the_same_rate_of_sampling() -> None:
    figures = Figures(
        [
            figure(Cell("chain", "blog", 1, 1), 1_000),
            figure(Cell("chain", "blog", 1, 100), 500),
            figure(OURS_1, 70_000),
            figure(OURS_100, 40_000),
        ]
    )

    found = {claim.what: claim.found.median for claim in claims(figures) if "blog" in claim.what}
    assert sorted(found.values()) == pytest.approx([70, 80])


@pytest.mark.parametrize(("cpu_us", "is_met"), [(9.0, True), (9.1, False)])
def test_processor_time_must_not_be_more(cpu_us: float, is_met: bool) -> None:
    (claim,) = claims(Figures([figure(OURS_1, 70_000, cpu_us)]))

    assert claim.is_met is is_met


@pytest.mark.parametrize(
    ("batch", "per_s", "is_met"),
    [(100, 40_100, True), (100, 39_900, False), (1, 4_001, True), (1, 3_999, False)],
)
def test_the_door_must_let_so_many_through(batch: int, per_s: float, is_met: bool) -> None:
    (claim,) = claims(Figures([figure(Cell("whole", "ours", batch, 1), per_s)]))

    assert claim.is_met is is_met


def test_the_median_counts() -> None:
    figures = Figures(
        [figure(OURS_1, 1, cpu_us, number=n) for n, cpu_us in enumerate((8, 20, 9), 1)]
    )

    (claim,) = claims(figures)
    assert claim.is_met


def test_a_peer_that_is_behind_in_everything_is_not_named() -> None:
    figures = Figures(
        [
            figure(OURS_1, 50_000, cpu_us=10),
            figure(Cell("chain", "blog", 1, 1), 1_000, cpu_us=1_000),
            figure(Cell("glass", "ours", 1, 1), 300, p99_ms=10),
            figure(Cell("glass", "blog", 1, 1), 300, p99_ms=20),
        ]
    )

    assert unbeaten(figures) == []


@pytest.mark.parametrize(
    ("peer", "said"),
    [
        (figure(Cell("chain", "quix", 1, 0), 60_000, cpu_us=50), "in throughput: 0.83 times"),
        (figure(Cell("chain", "quix", 1, 0), 10_000, cpu_us=5), "in processor time: 2.00 times"),
        (figure(Cell("glass", "quix", 1, 0), 300, p99_ms=5), "in p99: 2.00 times"),
    ],
)
def test_a_peer_that_is_ahead_in_anything_is_named(peer: Figure, said: str) -> None:
    figures = Figures(
        [
            figure(OURS_1, 50_000, cpu_us=10),
            figure(Cell("glass", "ours", 1, 1), 300, p99_ms=10),
            peer,
        ]
    )

    (found,) = unbeaten(figures)
    assert said in found
    assert found.startswith("quix at 0 % is not behind ours")


def test_a_peer_with_tracing_is_compared_at_the_same_rate_only() -> None:
    figures = Figures(
        [
            figure(OURS_100, 30_000),
            figure(Cell("chain", "good-afternoon", 1, 1), 40_000),
            figure(Cell("chain", "good-afternoon", 1, 0), 40_000),
        ]
    )

    assert unbeaten(figures) == []
