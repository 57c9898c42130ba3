"""Who is measured how often, and how many events a run has."""

from __future__ import annotations

import pytest

from bench.load.open_loop import Pace
from bench.peers.entrants import ENTRANTS
from bench.peers.rounds import PARTS, Plan


def plan(*entrants: str, events_max: int = 500_000) -> Plan:
    return Plan(
        rounds=3,
        window_s=5,
        events_max=events_max,
        entrants=entrants,
        parts=PARTS,
        batches=[1, 100],
        percents=[0, 1, 100],
        pace=Pace(300, 5),
    )


def test_a_peer_with_tracing_comes_at_each_rate_and_one_without_once() -> None:
    found = [(entrant.name, percent) for entrant, percent in plan("blog", "quix").peers()]

    assert found == [("blog", 0), ("blog", 1), ("blog", 100), ("quix", 0)]


def test_ours_comes_in_each_batch_at_each_rate() -> None:
    assert len(list(plan("ours").ours())) == 6
    assert list(plan("blog").ours()) == []


def test_ours_comes_through_the_door_in_each_batch_once() -> None:
    assert list(plan("ours").through_the_door()) == [(1, 1), (100, 1)]


@pytest.mark.parametrize(
    ("events_per_s", "events"), [(1_000, 5_000), (10, 500), (1_000_000, 500_000)]
)
def test_a_run_has_the_events_of_its_time_within_limits(events_per_s: float, events: int) -> None:
    assert plan().events(events_per_s) == events


@pytest.mark.parametrize(("batch", "events"), [(1, 50_000), (2, 100_000), (100, 250_000)])
def test_small_requests_are_not_as_many_events(batch: int, events: int) -> None:
    assert plan().ours_events(batch) == events
    assert plan(events_max=60_000).ours_events(batch) == min(events, 60_000)


def test_tables_of_peers_differ_and_are_not_ours() -> None:
    tables = {entrant.table for entrant in ENTRANTS.values()}

    assert len(tables) == len(ENTRANTS)
    assert all(table.startswith("peer_") and table.isidentifier() for table in tables)


def test_one_that_is_traced_samples_what_it_is_told() -> None:
    assert ENTRANTS["blog"].environ(1)["OTEL_TRACES_SAMPLER_ARG"] == "0.01"
    assert ENTRANTS["reference"].environ(1) == {"OTEL_SDK_DISABLED": "true"}
