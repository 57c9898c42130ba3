"""The Compose mode against an engine that only says what a test wants it to."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tools import mode as modes, up
from tools.compose import engine, layout, mode as compose_mode
from tools.compose.mode import ComposeMode
from tools.errors import OperatorError
from tools.native import checks, stack
from tools.native.mode import NativeMode
from tools.native.settings import Settings

CRASHES: dict[str, Any] = {
    "Name": "/ttg-0123abcd-kafka-1",
    "RestartCount": 0,
    "Config": {
        "Labels": {
            "com.docker.compose.service": "kafka",
            "com.docker.compose.container-number": "1",
        }
    },
    "State": {"Status": "restarting", "Pid": 0, "ExitCode": 1},
}


@pytest.fixture
def mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ComposeMode]:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(compose_mode, "_START_POLL_S", 0.01)
    forget()
    yield ComposeMode(Settings(tmp_path / "state", tmp_path / "cache"))
    forget()


def forget() -> None:
    engine.answers.cache_clear()
    engine.composes.cache_clear()


def docker(folder: Path, **cases: str) -> None:
    """Put a `docker` on the path that runs a script for each of its commands."""
    program = folder / "docker"
    branches = "".join(f"{name}) {script} ;;\n" for name, script in cases.items())
    program.write_text(f'#!/bin/sh\ncd {folder}\ncase "$1" in\n{branches}esac\n')
    program.chmod(0o755)


def start(mode: ComposeMode) -> None:
    mode.start(stack.reached(mode.settings, "key", "password", {}), {})


def restarting_more_and_more(folder: Path) -> str:
    (folder / "entry").write_text(json.dumps([CRASHES]))
    counted = 'echo >>asked; n=$(wc -l <asked | tr -d " ")'
    return f'{counted}; sed "s/RestartCount\\": 0/RestartCount\\": $n/" entry'


def test_what_ends_again_and_again_is_not_waited_for(mode: ComposeMode, tmp_path: Path) -> None:
    docker(
        tmp_path,
        compose="echo $$ >up; exec sleep 60",
        ps="echo 4711",
        inspect=restarting_more_and_more(tmp_path),
        logs="echo the disk is full",
    )

    with pytest.raises(OperatorError, match=r"kafka-1 does not start(.|\n)*the disk is full"):
        start(mode)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "up").read_text()), 0)


def test_a_start_without_a_container_yet_is_waited_for(mode: ComposeMode, tmp_path: Path) -> None:
    docker(tmp_path, compose="sleep 0.2", ps=":")

    start(mode)
    assert not mode.is_up()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            "echo 0123abcd; echo no such host >&2; exit 1",
            r"`docker ps` failed \(no such h",
        ),
        ("exec sleep 60", "has not answered `docker ps` within 0 s"),
    ],
)
def test_an_engine_that_does_not_say_has_not_said_that_nothing_runs(
    mode: ComposeMode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, said: str
) -> None:
    docker(tmp_path, ps=answer)
    if "sleep" in answer:
        ask = engine.ask
        monkeypatch.setattr(engine, "ask", lambda *words: ask(*words, limit_s=0.2))

    with pytest.raises(OperatorError, match=said):
        mode.is_up()
    with pytest.raises(OperatorError, match=said):
        mode.processes()


def test_what_the_client_warns_of_is_no_container(mode: ComposeMode, tmp_path: Path) -> None:
    docker(tmp_path, ps="echo warning: 4711 >&2")

    assert not mode.is_up()


def test_one_that_goes_away_between_two_questions_is_no_failure(
    mode: ComposeMode, tmp_path: Path
) -> None:
    (tmp_path / "entry").write_text(json.dumps([CRASHES]))
    gone = "echo 'Error: No such object: 4712' >&2; exit 1"
    docker(tmp_path, ps="echo 4711 4712", inspect=f"cat entry; {gone}")

    assert [one.stage for one in mode.processes()] == ["kafka"]

    docker(tmp_path, ps="echo 4711", inspect="echo []; echo 'no such host' >&2; exit 1")
    with pytest.raises(OperatorError, match=r"`docker inspect` failed \(no such host"):
        mode.processes()


def test_the_stack_is_not_started_over_while_the_engine_does_not_say(
    mode: ComposeMode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker(tmp_path, version="echo 28.0.1", compose="echo 2.40.3; echo $* >>ran", ps="exit 1")
    monkeypatch.setenv("TTG_STATE_DIR", str(mode.settings.state))
    monkeypatch.setattr(up, "_interrupt_on_signals", lambda: None)
    stack.claim(mode.settings)
    modes.record(mode.settings, mode)
    mode.settings.env_file.touch()

    with pytest.raises(OperatorError, match="`docker ps` failed"):
        up.up()
    assert not (tmp_path / "ran").exists()


def test_data_whose_password_is_gone_is_refused_with_what_to_do(
    mode: ComposeMode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "check_ports", lambda *_: None)
    project = layout.project(mode.settings)
    asked = f'[ "$5" = label=com.docker.compose.project={project} ] && echo a_postgres a_kafka'
    docker(tmp_path, version="echo 28.0.1", compose="echo 2.40.3", volume=asked)

    with pytest.raises(
        OperatorError, match=r"in a_kafka, a_postgres, whose password.*`make clean`"
    ):
        mode.check()

    # Of this stack, as long as the folder with its password is there.
    mode.settings.config.mkdir(parents=True)
    layout.variables(mode.settings).touch()
    mode.check()


def test_clean_removes_what_an_earlier_stack_of_the_folder_has_left(
    mode: ComposeMode, tmp_path: Path
) -> None:
    compose = "echo $* >ran; echo 2.40.3"
    image = "echo $* >removed; echo 'No such image' >&2; exit 1"
    docker(tmp_path, version="echo 28.0.1", compose=compose, volume="echo a_kafka", image=image)

    mode.forget()
    ran = (tmp_path / "ran").read_text().split()
    assert ran[:3] == ["compose", "-p", layout.project(mode.settings)]
    assert ran[-3:] == ["down", "--remove-orphans", "--volumes"]
    removed = (tmp_path / "removed").read_text().split()
    assert removed == ["image", "rm", layout.image(mode.settings)]


def test_an_image_that_stays_is_told(mode: ComposeMode, tmp_path: Path) -> None:
    image = "echo 'conflict: unable to remove' >&2; exit 1"
    docker(
        tmp_path,
        version="echo 28.0.1",
        compose="echo 2.40.3",
        volume="echo a_kafka",
        image=image,
    )

    with pytest.raises(OperatorError, match="conflict: unable to remove"):
        mode.forget()


def test_clean_asks_no_engine_for_a_stack_that_never_was_in_one(
    mode: ComposeMode, tmp_path: Path
) -> None:
    docker(tmp_path, version="echo 28.0.1", compose="echo $* >ran", volume=":")
    mode.forget()
    docker(tmp_path, version="exit 1", compose="echo $* >ran")
    mode.forget()

    assert not (tmp_path / "ran").exists()


def test_containers_that_outlived_the_state_folder_are_taken_down(
    mode: ComposeMode, tmp_path: Path
) -> None:
    docker(tmp_path, version="echo 28.0.1", ps="echo 4711")
    mode.settings.state.mkdir()

    assert [one.name for one in modes.left(mode.settings)] == ["compose", "native"]

    docker(tmp_path, version="echo 28.0.1", ps=":")
    assert [one.name for one in modes.left(mode.settings)] == ["native"]

    # Nobody needs an answer of the engine to take down what is not in it.
    docker(tmp_path, version="echo 28.0.1", ps="exit 1", volume="exit 1")
    assert [one.name for one in modes.left(mode.settings)] == ["native"]
    mode.forget()

    modes.record(mode.settings, NativeMode(mode.settings))
    assert [one.name for one in modes.left(mode.settings)] == ["native"]


def test_who_has_lost_the_engine_of_a_stack_is_told_the_way_out(
    mode: ComposeMode, tmp_path: Path
) -> None:
    docker(tmp_path, version="exit 1")
    variables = layout.variables(mode.settings)
    variables.parent.mkdir(parents=True)
    variables.touch()

    for command in (mode.stop, mode.forget):
        with pytest.raises(OperatorError, match=f"gone for good, remove {mode.settings.state}"):
            command()


def test_a_stack_whose_stopping_was_interrupted_does_not_count_as_up(
    mode: ComposeMode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_mode: ComposeMode) -> bool:
        raise KeyboardInterrupt

    stack.claim(mode.settings)
    modes.record(mode.settings, mode)
    mode.settings.env_file.touch()
    monkeypatch.setattr(ComposeMode, "stop", interrupted)

    with pytest.raises(KeyboardInterrupt):
        up.take_down(mode.settings)
    assert not mode.settings.env_file.exists()


def entry(folder: Path, service: str, **state: Any) -> None:
    """Let the engine list one container."""
    labels = {**CRASHES["Config"]["Labels"], "com.docker.compose.service": service}
    one = {
        **CRASHES,
        "Name": f"/ttg-0123abcd-{service}-1",
        "Config": {"Labels": labels},
        "State": {**CRASHES["State"], **state},
    }
    (folder / "entry").write_text(json.dumps([one]))


def failing(folder: Path, said: str) -> None:
    docker(
        folder,
        compose=f"echo '{said}' >&2; exit 1",
        ps="echo 4711",
        inspect="cat entry",
        logs="echo its own last words",
    )


def test_what_only_starts_is_not_blamed_for_what_the_engine_says(
    mode: ComposeMode, tmp_path: Path
) -> None:
    entry(tmp_path, "kafka", Status="running", Health={"Status": "starting"})
    failing(tmp_path, "error while mounting volume: no such device")

    with pytest.raises(OperatorError) as error:
        start(mode)
    assert "no such device" in str(error.value)
    assert "kafka" not in str(error.value)


def test_one_that_is_ill_is_named_beside_the_words_of_the_engine(
    mode: ComposeMode, tmp_path: Path
) -> None:
    entry(tmp_path, "jaeger", Status="running", Health={"Status": "unhealthy"})
    failing(tmp_path, "dependency failed to start")

    with pytest.raises(
        OperatorError, match=r"jaeger-1 is not ready(.|\n)*own last(.|\n)*failed to"
    ):
        start(mode)


def test_a_port_that_was_taken_meanwhile_is_named_with_the_remedy(
    mode: ComposeMode, tmp_path: Path
) -> None:
    entry(tmp_path, "kafka", Status="created")
    failing(tmp_path, "Bind for 127.0.0.1:7400 failed: port is already allocated")

    with pytest.raises(
        OperatorError, match=r"holds port 7400 \(ingest\)(.|\n)*The engine said:\n +Bind"
    ):
        start(mode)


def test_without_an_engine_its_last_words_are_what_is_told(
    mode: ComposeMode, tmp_path: Path
) -> None:
    docker(tmp_path, compose="echo connection reset; exit 1", ps="exit 1")

    with pytest.raises(OperatorError, match=r"failed with code 1.*\n  connection reset"):
        start(mode)


def test_logs_are_those_of_the_stack_whatever_project_the_shell_names(
    mode: ComposeMode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", "another")
    compose = '[ "$2" = version ] && echo 2.40.3 || echo ${COMPOSE_PROJECT_NAME-none} >named'
    docker(tmp_path, version="echo 28.0.1", compose=compose)

    mode.logs("sink", 10, follow=False)
    assert (tmp_path / "named").read_text() == "none\n"


def test_without_an_engine_a_first_start_is_told_the_other_mode(
    mode: ComposeMode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker(tmp_path, version="exit 1", ps="exit 1")
    monkeypatch.setenv("TTG_STATE_DIR", str(mode.settings.state))
    monkeypatch.setenv("MODE", "compose")
    monkeypatch.setattr(up, "_interrupt_on_signals", lambda: None)

    with pytest.raises(OperatorError, match=r"No container engine answers.*MODE=native"):
        up.up()
