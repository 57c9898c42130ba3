"""The stack in containers: who they run as, what they can reach, and what survives their death."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    add_TraceServiceServicer_to_server,
)

from services.topology import PIPELINE
from tests.collector import Call, Collector, Received, received
from tests.e2e.test_load import BATCH, RATE, UNDER_LOAD_S, assert_whole, end, load
from tests.stack import COMMAND_LIMIT_S, Stack, eventually, free_port_base, run_ttg, running
from tests.waterfalls import WATERFALL
from tools.compose import engine, layout
from tools.native.settings import Settings

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1_900)]

STAGES = [*(hop.stage for hop in PIPELINE), "glass"]
UP_AGAIN_S = 60.0
# Longer than a dependency may be silent, a health check after it, and a list without a broker.
NOTICED_S = 40.0
# A stage exports twice a second, and its first connection takes what a busy engine lets it.
EXPORTED_S = 30.0

composed = pytest.mark.skipif(
    os.environ.get("MODE") != "compose" or not (engine.answers() and engine.composes()),
    reason="MODE=compose is not set, or no container engine with `docker compose` answers",
)


def docker(*words: str) -> str:
    asked = subprocess.run(  # noqa: S603
        ["docker", *words],  # noqa: S607
        capture_output=True,
        text=True,
        # A container that is made new is a copy of its image for some engines.
        timeout=COMMAND_LIMIT_S,
        check=False,
    )
    assert asked.returncode == 0, asked
    return asked.stdout


def project(stack: Stack) -> str:
    text = (stack.state_dir / "config" / "compose.env").read_text()
    return text.split("COMPOSE_PROJECT_NAME='", 1)[1].split("'", 1)[0]


def containers(name: str) -> dict[str, dict[str, Any]]:
    """What the engine says of each container of a project, by its service."""
    label = f"label=com.docker.compose.project={name}"
    found = docker("ps", "--all", "--quiet", "--filter", label).split()
    entries = json.loads(docker("inspect", *found)) if found else []
    return {entry["Config"]["Labels"]["com.docker.compose.service"]: entry for entry in entries}


def kernel(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


@composed
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_nobody_can_do_nothing_and_writes_nowhere(stack: Stack, stage: str) -> None:
    found = containers(project(stack))[stage]
    status = kernel(found["State"]["Pid"])

    assert status["Uid"].split() == ["10001"] * 4
    assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd")} == {0}
    assert status["NoNewPrivs"] == "1"
    assert found["HostConfig"]["ReadonlyRootfs"]
    assert found["HostConfig"]["Memory"] > 0


@composed
def test_what_the_stages_stand_on_has_no_capability_and_is_not_root(stack: Stack) -> None:
    for service in ("kafka", "postgres", "jaeger"):
        status = kernel(containers(project(stack))[service]["State"]["Pid"])

        assert "0" not in status["Uid"].split()
        assert int(status["CapBnd"], 16) == 0


@composed
def test_every_port_is_on_the_loopback_interface(stack: Stack) -> None:
    bound = [
        (binding["HostIp"], int(binding["HostPort"]))
        for entry in containers(project(stack)).values()
        for bindings in entry["NetworkSettings"]["Ports"].values()
        for binding in bindings or ()
    ]

    assert {address for address, _ in bound} == {"127.0.0.1"}
    assert {port for _, port in bound} <= set(range(stack.port_base, stack.port_base + 11))


@composed
@pytest.mark.parametrize("stage", [hop.stage for hop in PIPELINE])
def test_all_stages_say_the_same_address_because_they_have_one_clock(
    stack: Stack, stage: str
) -> None:
    """Jaeger would correct the clocks of spans whose addresses differ, and warn."""
    name = containers(project(stack))[stage]["Name"].removeprefix("/")
    ask = "from libs.tracing.host import host_ip; print(host_ip())"

    assert docker("exec", name, "python", "-c", ask) == "127.0.0.1\n"


@composed
@pytest.mark.parametrize("stage", STAGES)
def test_a_health_check_is_an_answer_of_the_stage_itself(stack: Stack, stage: str) -> None:
    name = containers(project(stack))[stage]["Name"].removeprefix("/")

    assert json.loads(docker("exec", name, "healthy")) == {"status": "ready", "reasons": []}


@composed
def test_ps_says_why_a_stage_is_not_ready_and_when_it_is_again(stack: Stack) -> None:
    with stack.frozen("kafka"):
        reasons = eventually(lambda: reasons_of_all(stack), NOTICED_S)

    assert all("Kafka has not answered" in reason for reason in reasons.values()), reasons
    eventually(lambda: is_ready(stack), UP_AGAIN_S)


def reasons_of_all(stack: Stack) -> dict[str, str]:
    """Why each stage of the pipeline is not ready, as soon as none is."""
    listed = {p["stage"]: p for p in stack.processes()}
    ill = {hop.stage: listed[hop.stage] for hop in PIPELINE}
    if any(p["state"] != "not ready" for p in ill.values()):
        return {}
    return {stage: " ".join(p["reasons"]) for stage, p in ill.items()}


def is_ready(stack: Stack) -> bool:
    return all(p["state"] in {"ready", "done"} for p in stack.processes())


@composed
@pytest.mark.parametrize("service", ["kafka", "postgres"])
def test_killing_what_the_stages_stand_on_loses_and_doubles_nothing(
    stack: Stack, service: str
) -> None:
    before = stack.pids(service)[0]
    with load(stack) as sending:
        time.sleep(UNDER_LOAD_S)
        os.kill(before, signal.SIGKILL)
        eventually(lambda: stack.pids(service).get(0, before) != before, UP_AGAIN_S)
        # The load goes on, on what has come back.
        time.sleep(2 * UNDER_LOAD_S)
        report = end(sending)

    assert (report["missing"], report["doubled"]) == (0, 0)
    assert report["accepted"] > 0
    eventually(lambda: is_ready(stack), UP_AGAIN_S)
    assert_whole_again(stack)


def assert_whole_again(stack: Stack) -> None:
    with load(stack, duration_s=3) as sending:
        printed, _ = sending.communicate(timeout=60)
    assert_whole(json.loads(printed[printed.index("{") :]))


@composed
def test_load_can_be_sent_from_inside_the_network(stack: Stack) -> None:
    variables = str(stack.state_dir / "config" / "compose.env")
    layers = [str(layout.DEPLOY / name) for name in ("compose.yaml", "load.yaml")]
    files = [word for path in layers for word in ("--file", path)]
    options = ["--rate", RATE, "--batch", BATCH, "--duration", "3", "--json"]

    printed = docker(
        *("compose", "--env-file", variables, *files),
        *("run", "--rm", "--no-deps", "-T", "load", *options),
    )

    assert_whole(json.loads(printed[printed.index("{") :]))
    assert not [name for name in containers(project(stack)) if name == "load"]


@contextmanager
def receiving() -> Iterator[tuple[str, Collector]]:
    """Run a collector where containers reach this machine; also its URL."""
    gateway = "{{(index .IPAM.Config 0).Gateway}}"
    address = docker("network", "inspect", "bridge", "--format", gateway).strip()
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(len(STAGES)))
    add_TraceServiceServicer_to_server(collector, server)
    port = server.add_insecure_port(f"{address}:0")
    server.start()
    try:
        yield f"http://{address}:{port}", collector
    finally:
        server.stop(grace=None).wait()


def until_whole(collector: Collector, trace_id: bytes) -> list[Call]:
    """Wait for the waterfall of one trace, whatever else comes; gives the exports it is in."""
    try:
        eventually(lambda: is_whole(spans_of(collector.calls, trace_id)), EXPORTED_S)
    except AssertionError as error:
        raise AssertionError(f"no whole {trace_id.hex()} among\n{told(collector)}") from error
    return [call for call in collector.calls if spans_of([call], trace_id)]


def spans_of(calls: Sequence[Call], trace_id: bytes) -> list[Received]:
    spans = [span for call in calls for span in received(call.request)]
    return [one for one in spans if one.span.trace_id == trace_id]


def is_whole(spans: Sequence[Received]) -> bool:
    known = {one.span.span_id for one in spans}
    parents = {one.span.parent_span_id for one in spans if one.span.parent_span_id}
    return Counter(one.span.name for one in spans) == WATERFALL and parents <= known


def told(collector: Collector) -> str:
    """All that a collector has: of each trace whose spans, and which."""
    traces: dict[str, Counter[str]] = defaultdict(Counter)
    for call in collector.calls:
        key = call.metadata.get("api-key", "no key")
        for one in received(call.request):
            whose = f"{one.resource.get('service.instance.id')} ({key})"
            traces[one.span.trace_id.hex()][f"{whose} {one.span.name!r}"] += 1
    return "\n".join(f"{trace_id}: {dict(spans)}" for trace_id, spans in traces.items())


@composed
def test_two_variables_take_the_spans_elsewhere_and_a_path_brings_other_entities(
    tmp_path: Path,
) -> None:
    entities = tmp_path / "entities" / "ours.json"
    entities.parent.mkdir()
    # The account in the container is none of this machine.
    entities.parent.chmod(0o755)
    entities.write_text(json.dumps({"version": 1, "entities": {"till": {"owner": "edda"}}}))
    event_id = str(uuid.uuid4())
    event = {"event_id": event_id, "name": "probe", "value": 1, "attributes": {"entity": "till"}}

    with (
        receiving() as (url, collector),
        running(
            tmp_path / "state",
            OTEL_EXPORTER_OTLP_ENDPOINT=url,
            OTEL_EXPORTER_OTLP_HEADERS="api-key=0123",
            DECORATE_ENTITIES=str(entities),
        ) as other,
    ):
        sent = other.post(event)
        (stored,) = eventually(lambda: other.events(f"event_id={event_id}"))
        calls = until_whole(collector, bytes.fromhex(sent.body["trace_id"]))
        running_here = containers(project(other))

    assert stored["owner"] == "edda"
    assert {call.metadata.get("api-key") for call in calls} == {"0123"}, told(collector)
    assert "jaeger" not in running_here


@pytest.fixture
def beside(stack: Stack) -> Iterator[Path]:
    """A state folder beside the stack's, of which nothing is left afterwards."""
    folder = stack.state_dir.parent / "beside"
    yield folder
    cleaned = run_ttg(folder, stack.port_base, "clean")
    assert cleaned.returncode == 0, cleaned
    assert not containers(project_of(folder))


def project_of(folder: Path) -> str:
    return layout.project(Settings(folder.resolve(), folder))


def without_registry(folder: Path) -> str:
    """A path to a `docker` for which Jaeger's image is where nobody listens, so not to be had."""
    program, other = folder / "docker", folder / "unreachable.yaml"
    other.write_text("services: {jaeger: {image: '127.0.0.1:9/jaeger:none'}}\n")
    # What the shell says goes before the file of the stack.
    files = f"COMPOSE_FILE='{layout.DEPLOY / 'compose.yaml'}:{other}'"
    program.write_text(f'#!/bin/sh\n{files} exec {shutil.which("docker")} "$@"\n')
    program.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


@composed
def test_an_image_that_cannot_be_pulled_is_named_with_the_remedy(
    beside: Path, tmp_path: Path
) -> None:
    up = run_ttg(beside, free_port_base(), "up", PATH=without_registry(tmp_path))

    assert up.returncode == 1
    assert "Check that the registry of the images can be reached" in up.stderr
    assert "jaeger" in up.stderr
    assert "Traceback" not in up.stderr


@composed
def test_a_port_in_use_is_named_and_nothing_is_started(stack: Stack, beside: Path) -> None:
    up = run_ttg(beside, stack.port_base, "up")

    assert up.returncode == 1
    assert f"Another program holds port {stack.port_base}" in up.stderr
    assert "TTG_PORT_BASE" in up.stderr
    assert "Traceback" not in up.stderr
    assert not (beside / "env").exists()
    assert not containers(project_of(beside))


@composed
def test_data_of_a_folder_that_was_removed_by_hand_is_refused_and_can_be_cleaned(
    beside: Path,
) -> None:
    name = project_of(beside)
    labels = [f"com.docker.compose.{part}" for part in (f"project={name}", "volume=postgres")]
    words = [word for label in labels for word in ("--label", label)]
    docker("volume", "create", *words, f"{name}_postgres")

    up = run_ttg(beside, free_port_base(), "up")
    assert up.returncode == 1
    assert f"{name}_postgres, whose password went with the folder" in up.stderr
    assert "Traceback" not in up.stderr

    cleaned = run_ttg(beside, free_port_base(), "clean")
    assert cleaned.returncode == 0, cleaned
    assert name not in docker("volume", "ls", "--format", "{{.Name}}")


@composed
def test_a_start_that_fails_takes_down_what_it_has_started(beside: Path) -> None:
    up = run_ttg(beside, free_port_base(), "up", SINK_TRANSACTION_EVENTS_MAX="none")

    assert up.returncode == 1
    assert "sink" in up.stderr
    assert "transaction_events_max" in up.stderr
    assert not (beside / "env").exists()
    assert not containers(project_of(beside))


def test_without_an_engine_the_other_mode_is_named(tmp_path: Path) -> None:
    nowhere = f"unix://{tmp_path}/no.sock"

    up = run_ttg(tmp_path / "state", free_port_base(), "up", MODE="compose", DOCKER_HOST=nowhere)
    assert up.returncode == 1
    assert "No container engine answers" in up.stderr
    assert "MODE=native" in up.stderr
    assert "Traceback" not in up.stderr
    assert not (tmp_path / "state" / "env").exists()
