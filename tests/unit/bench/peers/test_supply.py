"""What peers are given: events that differ, and trace contexts of which some are sampled."""

from __future__ import annotations

import re

import msgspec
import pytest

from bench.peers import supply
from bench.peers.supply import Supply

TRACEPARENT = re.compile(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]")


def test_no_two_events_have_the_same_id() -> None:
    ids = {msgspec.json.decode(value)["event_id"] for value in Supply().take(2_500)}

    assert len(ids) == 2_500


def test_fewer_events_are_the_first_of_more() -> None:
    source = Supply()

    assert source.take(10) == source.take(1_500)[:10]


def test_an_event_can_be_made_at_a_moment() -> None:
    source = Supply()

    made = msgspec.json.decode(source.made(7, 1_764_000_000.25))
    kept = msgspec.json.decode(source.take(8)[7])
    assert made == {**kept, "timestamp": 1_764_000_000.25}


@pytest.mark.parametrize(("percent", "sampled"), [(0, 0), (1, 10), (2.5, 25), (100, 1_000)])
def test_so_many_of_a_hundred_are_sampled(percent: float, sampled: int) -> None:
    values = [value for ((_name, value),) in supply.contexts(1_000, percent)]

    assert sum(value.endswith(b"-01") for value in values) == sampled
    assert all(TRACEPARENT.fullmatch(value) for value in values)
    assert len({value[3:35] for value in values}) == 1_000
