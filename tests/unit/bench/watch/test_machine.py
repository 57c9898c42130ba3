"""What is told of where it was measured."""

from __future__ import annotations

from bench.watch.machine import look


def test_this_machine_can_be_told() -> None:
    machine = look().having("PostgreSQL", "15")

    assert machine.cores >= 1
    assert machine.processor
    assert {"Python", "Kafka", "PostgreSQL"} <= machine.versions.keys()
