"""The files of a composed stack: private, complete, and made from what native mode reads."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from services.topology import PIPELINE
from tools import env
from tools.compose import layout
from tools.env import REPOSITORY
from tools.errors import OperatorError
from tools.native import stack
from tools.native.settings import Settings
from tools.native.wheels import DEPLOY as NATIVE


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(tmp_path / "state", tmp_path / "cache", 9_400)
    settings.config.mkdir(parents=True)
    return settings


def lay_down(settings: Settings, **shell: str) -> dict[str, str]:
    reached = stack.reached(settings, "key", "password", shell)
    layout.lay_down(settings, "password", reached, shell)
    lines = layout.variables(settings).read_text().splitlines()
    return {name: text.strip("'") for name, text in (line.split("=", 1) for line in lines)}


def test_each_stack_is_a_project_of_its_own(settings: Settings, tmp_path: Path) -> None:
    other = Settings(tmp_path / "other", settings.cache)

    assert layout.project(settings) == layout.project(settings)
    assert layout.project(settings) != layout.project(other)


def test_each_stack_has_an_image_of_its_own(settings: Settings, tmp_path: Path) -> None:
    other = Settings(tmp_path / "other", settings.cache)

    assert re.fullmatch(r"time-to-glass:[0-9a-f]{8}", layout.image(settings))
    assert layout.image(settings) != layout.image(other)
    assert lay_down(settings)["TTG_IMAGE"] == layout.image(settings)


def test_the_variables_name_the_ports_of_the_stack(settings: Settings) -> None:
    written = lay_down(settings)

    assert (written["TTG_PORT_INGEST"], written["TTG_PORT_OTLP_GRPC"]) == ("9400", "9404")
    assert "TTG_PORT_KAFKA_CONTROLLER" not in written


def test_only_their_owner_reads_the_files_with_secrets(settings: Settings) -> None:
    lay_down(settings)

    for path in (layout.variables(settings), settings.config / "stages.env"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_containers_read_native_modes_own_files(settings: Settings) -> None:
    lay_down(settings)

    for name in ("jaeger.yaml", "postgresql.conf"):
        copied = settings.config / name
        assert copied.read_text() == (NATIVE / name).read_text()
        assert stat.S_IMODE(copied.stat().st_mode) == 0o644


def test_the_broker_finds_its_files_by_the_names_of_its_image(settings: Settings) -> None:
    lay_down(settings)

    folder = settings.config / "kafka"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert sorted(path.name for path in folder.iterdir()) == ["log4j2.yaml", "server.properties"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o644}
    assert (folder / "log4j2.yaml").read_text() == (NATIVE / "kafka-log4j2.yaml").read_text()
    assert "auto.create.topics.enable=false" in (folder / "server.properties").read_text()


def test_the_shells_variables_reach_the_stages_as_they_are(settings: Settings) -> None:
    lay_down(settings, TRACE_SHAPE="chain", SINK_X="a '$b' \"c\"", HOME="/root", OTEL_X="1")

    stages = (settings.config / "stages.env").read_text()
    assert stages == "OTEL_X=1\nSINK_X=a '$b' \"c\"\nTRACE_SHAPE=chain\n"


def test_every_prefix_of_a_setting_reaches_the_stages() -> None:
    """A prefix that is missing would be a setting that works in native mode only."""
    sources = [*(REPOSITORY / "libs").rglob("*.py"), *(REPOSITORY / "services").rglob("*.py")]
    prefixes = {
        prefix
        for source in sources
        for prefix in re.findall(r'env_prefix="(\w+)"', source.read_text())
    }

    assert len(prefixes) > len(PIPELINE)
    assert prefixes <= set(layout.FOR_STAGES)


def test_a_quote_in_a_key_does_not_end_it(settings: Settings) -> None:
    written = lay_down(settings, INGEST_API_KEYS="acme=it's")

    assert written["TTG_API_KEYS"] == r"acme=it\'s,default=key"


def test_a_variable_of_several_lines_is_refused_by_its_name(settings: Settings) -> None:
    with pytest.raises(OperatorError, match="OTEL_X has more than one line"):
        lay_down(settings, OTEL_X="one\ntwo")


@pytest.mark.parametrize("signal", ["", "TRACES_", "METRICS_", "LOGS_"])
@pytest.mark.parametrize("url", ["http://127.0.0.1:4317", "https://localhost:4317", "[::1]:4317"])
def test_a_collector_that_no_container_reaches_is_refused_with_the_remedy(
    settings: Settings, signal: str, url: str
) -> None:
    name = f"OTEL_EXPORTER_OTLP_{signal}ENDPOINT"

    with pytest.raises(OperatorError, match=f"{name}=.*or use MODE=native"):
        lay_down(settings, **{name: url})


@pytest.mark.parametrize(
    "url", ["http://172.17.0.1:4317", "https://otlp.example", "collector:4317"]
)
def test_a_collector_elsewhere_is_taken(settings: Settings, url: str) -> None:
    assert lay_down(settings, OTEL_EXPORTER_OTLP_ENDPOINT=url)["TTG_OTLP_ENDPOINT"] == url


def files(written: dict[str, str]) -> list[str]:
    return [Path(path).name for path in written["COMPOSE_FILE"].split(":")]


def test_layers_add_up_to_what_the_shell_asks_for(settings: Settings, tmp_path: Path) -> None:
    entities = tmp_path / "ours.json"
    elsewhere = {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://otlp.example"}
    own = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9404"}

    assert files(lay_down(settings)) == files(lay_down(settings, **own)) == ["compose.yaml"]
    assert files(lay_down(settings, **elsewhere)) == ["compose.yaml", "new-relic.yaml"]
    written = lay_down(settings, DECORATE_ENTITIES=str(entities))
    assert files(written) == ["compose.yaml", "entities.yaml"]
    assert written["TTG_ENTITIES"] == "/entities/ours.json"
    assert written["TTG_ENTITIES_FOLDER"] == str(tmp_path)
    assert files(lay_down(settings, DECORATE_ENTITIES="table")) == ["compose.yaml"]


def test_a_container_finds_the_stack_inside_its_network(settings: Settings) -> None:
    lay_down(settings)

    inside = env.parse((settings.config / "inside" / "env").read_text())
    assert inside.kafka_bootstrap_servers == "kafka:19092"
    assert inside.api_key == "key"
    assert "127.0.0.1" not in env.render(inside)


@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_what_is_inside_the_network_is_not_behind_a_proxy(settings: Settings, name: str) -> None:
    inside = "127.0.0.1,localhost,kafka,postgres,jaeger,ingest,glass"

    assert lay_down(settings)["TTG_NO_PROXY"] == inside
    assert lay_down(settings, **{name: "otlp.example"})["TTG_NO_PROXY"] == f"otlp.example,{inside}"
