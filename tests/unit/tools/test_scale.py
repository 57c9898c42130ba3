"""What may be scaled, and when it has settled."""

from __future__ import annotations

import pytest

from services.topology import PARTITIONS
from tools.errors import OperatorError
from tools.scale import check, is_even


@pytest.mark.parametrize("stage", ["normalize", "decorate", "sink"])
@pytest.mark.parametrize("n", [1, PARTITIONS])
def test_every_stage_that_reads_a_topic_scales_up_to_its_partitions(stage: str, n: int) -> None:
    check(stage, n)


@pytest.mark.parametrize(
    ("stage", "n", "reason"),
    [
        ("normalize", 0, "choose N from 1 to"),
        ("sink", PARTITIONS + 1, "choose N from 1 to"),
        ("ingest", 2, "owns a port"),
        ("glass", 2, "owns a port"),
        ("normalise", 2, "no stage 'normalise'"),
        ("kafka", 2, "no stage 'kafka'"),
    ],
)
def test_what_cannot_be_scaled_is_refused_with_what_can(stage: str, n: int, reason: str) -> None:
    with pytest.raises(OperatorError, match=reason):
        check(stage, n)


def test_a_group_has_settled_when_its_members_share_all_partitions_evenly() -> None:
    thirds = {f"s-{k}": list(range(k, PARTITIONS, 3)) for k in range(3)}

    assert is_even(thirds, 3)
    assert not is_even(thirds, 2)
    assert not is_even({**thirds, "s-2": []}, 3)
    assert not is_even({"s-0": [0, 1, 2, 3, 4, 5, 6], "s-1": [7, 8, 9, 10, 11]}, 2)
    assert not is_even({}, 1)
