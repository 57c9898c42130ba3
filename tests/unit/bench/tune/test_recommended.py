"""The settings file: what it sets is what `make up` takes, under the reason why."""

from __future__ import annotations

import pytest

from bench.tune import front, knobs, recommended
from bench.tune.front import Choice
from tests.unit.bench.tune.made import RUN, done
from tools import settings_file


def test_a_choice_is_written_with_its_reason_and_read_back() -> None:
    changes = {"linger.ms": "5", "max.poll.records": "10", "SINK_REPLICAS": "2"}
    dones = [done(1, p99_ms=99), done(2, changes, p99_ms=40), done(3, changes, p99_ms=40)]
    text = recommended.text(RUN, front.choose(front.points(dones)))

    read = settings_file.parse(text, "tuned.env")
    assert {**read.variables, "SINK_REPLICAS": "2"} == knobs.environ(changes)
    assert read.replicas == {"sink": 2}
    assert "# linger.ms: how long a producer keeps a batch open" in text
    assert "commit abc1234" in text
    assert max(map(len, text.splitlines())) <= 100


def test_without_a_choice_there_is_a_reason_and_nothing_else() -> None:
    text = recommended.text(RUN, Choice(None, "The defaults are on the front."))

    assert not settings_file.parse(text, "tuned.env").variables
    assert "# The defaults are on the front." in text


@pytest.mark.parametrize("changes", [*knobs.singles()], ids=knobs.title)
def test_every_value_that_is_tried_can_be_recommended(changes: dict[str, str]) -> None:
    assert settings_file.parse("\n".join(recommended.settings(changes)), "tuned.env")
