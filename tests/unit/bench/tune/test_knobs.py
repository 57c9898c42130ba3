"""The knobs, held against the settings of the stages."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.tune import knobs
from bench.tune.knobs import KNOBS, Knob
from libs.kafka.settings import KafkaSettings
from services.decorate.settings import Settings as DecorateSettings
from services.ingest.settings import Settings as IngestSettings
from services.normalize.settings import Settings as NormalizeSettings
from services.sink.settings import Settings as SinkSettings
from tools import settings_file

ROOT = Path(__file__).parents[4]
SETTINGS = (KafkaSettings, IngestSettings, NormalizeSettings, DecorateSettings, SinkSettings)
DEFAULTS = {
    f"{each.model_config.get('env_prefix', '')}{name}".upper(): field.default
    for each in SETTINGS
    for name, field in each.model_fields.items()
}


@pytest.mark.parametrize("knob", KNOBS, ids=lambda knob: knob.name)
def test_a_knobs_default_is_what_the_stages_have_without_it(knob: Knob) -> None:
    for variable in knob.variables:
        # How many replicas run is no setting of a stage.
        assert str(DEFAULTS.get(variable, 1)) == knob.default


@pytest.mark.parametrize("knob", KNOBS, ids=lambda knob: knob.name)
def test_every_value_of_a_knob_is_one_that_a_stack_takes(knob: Knob) -> None:
    for value in (knob.default, *knob.others):
        lines = "\n".join(f"{variable}={value}" for variable in knob.variables)
        settings_file.parse(lines, knob.name)


def test_a_setting_of_all_readers_is_set_for_each_of_them() -> None:
    assert knobs.environ({"max.poll.records": "10"}) == {
        "NORMALIZE_POLL_RECORDS_MAX": "10",
        "DECORATE_POLL_RECORDS_MAX": "10",
        "SINK_POLL_RECORDS_MAX": "10",
    }


def test_a_title_names_values_in_the_same_order_whatever_the_order_they_came_in() -> None:
    one, other = {"batch.size": "1", "linger.ms": "5"}, {"linger.ms": "5", "batch.size": "1"}

    assert knobs.title(one) == knobs.title(other) == "linger.ms=5 batch.size=1"
    assert knobs.title({}) == "defaults"


def test_replicas_are_one_unless_said() -> None:
    assert knobs.replicas({"SINK_REPLICAS": "2"}, "sink") == 2
    assert knobs.replicas({"SINK_REPLICAS": "2"}, "ingest") == 1


@pytest.mark.parametrize("knob", KNOBS, ids=lambda knob: knob.name)
def test_the_document_says_what_a_knob_is_and_which_values_are_tried(knob: Knob) -> None:
    lines = (ROOT / "docs" / "tuning.md").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("|") and knob.variables[0] in line]

    for variable in knob.variables:
        assert f"`{variable}`" in line
    assert f"| {knob.default} | {', '.join(knob.others)}" in line
