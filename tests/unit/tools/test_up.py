"""When a stack counts as up, and which folder may become one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.clean import clean
from tools.down import down
from tools.errors import OperatorError
from tools.native import settings as native_settings, stack
from tools.native.settings import Settings
from tools.settings_file import StageSettingsFile
from tools.up import (
    SETTINGS_FILE,
    alone,
    refuse_other_ports,
    refuse_other_settings,
    where_traces_are,
)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("TTG_STATE_DIR", str(tmp_path / "state"))
    return native_settings.current()


def test_a_new_folder_and_an_empty_one_become_a_stack(settings: Settings) -> None:
    with alone(settings):
        assert stack.is_ours(settings)
    with alone(settings):
        assert stack.is_ours(settings)


def test_a_folder_with_other_files_is_refused_and_left_as_it_is(settings: Settings) -> None:
    settings.state.mkdir(mode=0o750)
    (settings.state / "thesis.txt").write_text("years of work")

    with pytest.raises(OperatorError, match="not of a stack; set TTG_STATE_DIR"), alone(settings):
        pass
    assert [path.name for path in settings.state.iterdir()] == ["thesis.txt"]
    assert settings.state.stat().st_mode & 0o777 == 0o750


def test_down_and_clean_do_not_touch_a_folder_with_other_files(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.state.mkdir()
    (settings.state / "thesis.txt").write_text("years of work")

    down()
    assert capsys.readouterr().out == "Nothing was up.\n"
    with pytest.raises(OperatorError, match="was not made by `make up`, so it stays"):
        clean()
    assert [path.name for path in settings.state.iterdir()] == ["thesis.txt"]


def test_who_comes_second_is_refused(settings: Settings) -> None:
    second = pytest.raises(OperatorError, match="let it end first")

    with alone(settings), second, alone(settings):
        pass


def test_a_stack_at_other_ports_is_not_the_one_that_was_asked_for(settings: Settings) -> None:
    at_7400 = stack.reached(settings, "key", "password", {})
    elsewhere = Settings(settings.state, settings.cache, 9_400)

    refuse_other_ports(settings, at_7400)
    with pytest.raises(OperatorError, match="from 7400 on, not from 9400 on; run `make down`"):
        refuse_other_ports(elsewhere, at_7400)


def test_a_stack_that_is_up_keeps_the_settings_it_has(settings: Settings) -> None:
    settings.run.mkdir(parents=True)
    (settings.run / SETTINGS_FILE).write_text("KAFKA_LINGER_MS=5\n")

    refuse_other_settings(settings, StageSettingsFile())
    refuse_other_settings(settings, StageSettingsFile("KAFKA_LINGER_MS=5\n"))
    with pytest.raises(OperatorError, match="other settings; run `make down` first"):
        refuse_other_settings(settings, StageSettingsFile("KAFKA_LINGER_MS=6\n"))


def test_no_jaeger_is_named_to_who_sends_the_spans_elsewhere(settings: Settings) -> None:
    elsewhere = {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://otlp.example"}
    own = stack.reached(settings, "key", "password", {})

    assert where_traces_are(settings, own) == own.jaeger_url
    other = stack.reached(settings, "key", "password", elsewhere)
    assert where_traces_are(settings, other) == "go to https://otlp.example"
