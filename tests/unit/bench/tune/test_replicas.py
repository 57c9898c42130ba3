"""What is summed up over the processes of a stage."""

from __future__ import annotations

import pytest

from bench.tune import replicas


def test_the_processor_time_of_replicas_is_that_of_their_stage() -> None:
    cpu_s = {"sink-0": 1.0, "sink-1": 0.5, "ingest-0": 2.0, "kafka": 3.0}

    assert replicas.of_stages(cpu_s) == pytest.approx({"sink": 1.5, "ingest": 2.0, "kafka": 3.0})
