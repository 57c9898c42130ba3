"""The Compose mode as the commands see it: containers of one project."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field

from tools import ready
from tools.compose import containers, engine, layout, ports
from tools.compose.command import Command
from tools.env import StackEnv
from tools.errors import OperatorError
from tools.native import checks, secret, stack
from tools.native.commands import Run, output
from tools.native.logfiles import pretty
from tools.native.settings import Settings
from tools.process import Process, Said, order
from tools.progress import Step

_PULL = (
    "Check that the registry of the images can be reached and has them (`docker pull` says why "
    "not), or use MODE=native, which needs no image."
)
_BUILD = (
    "If its base image could not be pulled or a package not be fetched, check that the registries "
    "can be reached, or use MODE=native. If there was no space, make room on the engine's disk."
)
_TAIL_LINES = 15
_NOT_YET = {"pending", "starting"}
_TAKEN_DOWN = "What it had started is taken down again. It said last:"
_LOGS = "See `make ps` and `make logs`."
# The broker, the topics and the stages, one after the other, each as long as its health check lets
# it be starting; and for some engines each container is a copy of its image.
_START_LIMIT_S = 600.0
# Longer than every container may take to drain, one after the other.
_STOP_LIMIT_S = 300.0
# A look is two questions to an engine that has much to do.
_START_POLL_S = 0.5


@dataclass(slots=True)
class ComposeMode:
    """Official images of Kafka, Jaeger and PostgreSQL, and one of ours for every stage."""

    settings: Settings
    name: str = "compose"
    # Before its first container is there.
    _is_starting: bool = field(default=False, init=False)

    def check(self) -> None:
        engine.require()
        self._refuse_foreign_data()
        checks.check_ports(self.settings, layout.PUBLISHED)
        checks.check_folder(self.settings.state, 0, "TTG_STATE_DIR")

    def is_up(self) -> bool:
        return self._is_starting or bool(containers.ids(self._project))

    def is_left(self) -> bool:
        """Tell whether the engine has containers of this stack, whatever the state folder says.

        One that does not say keeps nobody from a stack that does not need it.
        """
        with suppress(OperatorError):
            return engine.answers() and self.is_up()
        return False

    def prepare(self, shell: Mapping[str, str]) -> StackEnv:
        key, _ = secret.of(self.settings.secrets, "api-key")
        password, _ = secret.of(self.settings.secrets, "postgres-password")
        reached = stack.reached(self.settings, key, password, shell)
        layout.lay_down(self.settings, password, reached, shell)
        # First, because Compose would try to pull it for every stage that does not build it.
        with Step("Building the image of the stages") as step:
            self._compose(_BUILD, "build", on_line=step.update)
        with Step("Fetching images") as step:
            pull = ("pull", "--policy", "missing", "--ignore-buildable")
            self._compose(_PULL, *pull, on_line=step.update)
        return reached

    def start(self, reached: StackEnv, shell: Mapping[str, str]) -> None:
        # It waits without a limit for what a container needs, also if that ends again and again.
        with self._command("up", "--detach", "--no-build") as up:
            self._is_starting = True
            try:
                ready.wait(
                    self,
                    "Starting containers",
                    limit_s=_START_LIMIT_S,
                    poll_s=_START_POLL_S,
                    is_over=lambda _: up.has_ended(),
                )
            finally:
                self._is_starting = False
        if up.code:
            raise OperatorError(self._why(_failed(up, _TAKEN_DOWN), up.said))

    def processes(self) -> list[Process]:
        found = containers.inspected(containers.ids(self._project))
        return [containers.process(one) for one in found]

    def said(self, processes: Sequence[Process]) -> Mapping[str, Said]:
        found = containers.inspected([one.name for one in processes])
        answers = {containers.process(one).name: containers.said(one) for one in found}
        return {name: answer for name, answer in answers.items() if answer is not None}

    def restart(self, process: Process) -> None:
        Run(["docker", "start", process.name], remedy=_LOGS)()

    def scale(self, stage: str, replicas: int) -> None:
        wanted = ("--no-deps", "--no-recreate", "--no-build", "--scale", f"{stage}={replicas}")
        self._compose(_LOGS, "up", "--detach", *wanted, stage)

    def tail(self, process: Process | None, lines: int) -> str:
        if process is None:
            return "(no log)"
        said = output(["docker", "logs", "--tail", str(lines), process.name])
        return "\n".join(f"  {pretty(line)}" for line in said.splitlines()) or "(an empty log)"

    def logs(self, stage: str, lines: int, *, follow: bool) -> None:
        engine.require()
        words = ["logs", "--no-color", "--tail", str(lines), *(["--follow"] if follow else [])]
        command = self._words(*words, *([stage] if stage else []))
        with subprocess.Popen(  # noqa: S603
            command, env=_environ(), stdout=subprocess.PIPE, text=True, errors="replace"
        ) as printing:
            assert printing.stdout is not None
            for line in printing.stdout:
                sys.stdout.write(containers.shown(line.rstrip("\n")) + "\n")
                sys.stdout.flush()
        if printing.returncode:
            raise OperatorError(f"There is no log of {stage!r}; see `make ps`.")

    def stop(self) -> bool:
        self._require_engine()
        was_up = self.is_up()
        with Step("Stopping") if was_up else nullcontext():
            self._compose(_LOGS, "down", "--remove-orphans", limit_s=_STOP_LIMIT_S)
        return was_up

    def forget(self) -> None:
        if layout.variables(self.settings).is_file() or self._has_old_volumes():
            self._require_engine()
            words = ("down", "--remove-orphans", "--volumes")
            self._compose(_LOGS, *words, limit_s=_STOP_LIMIT_S)
            containers.remove_image(layout.image(self.settings))

    def _has_old_volumes(self) -> bool:
        """Tell whether an earlier stack left data, whose folder was removed by hand."""
        with suppress(OperatorError):
            return engine.answers() and bool(containers.volumes(self._project))
        return False

    def _require_engine(self) -> None:
        """Raise `OperatorError` if the engine that has this stack cannot be asked."""
        if not engine.answers():
            raise OperatorError(
                "The containers and the data of this stack are in a container engine that does "
                "not answer (`docker version`); start it, or name it in DOCKER_HOST. If it is gone "
                f"for good, remove {self.settings.state}, or set TTG_STATE_DIR to another folder."
            )
        engine.require()

    def _refuse_foreign_data(self) -> None:
        """Refuse the data of an earlier stack: it has a password that nobody knows any more."""
        if layout.variables(self.settings).is_file():
            return
        found = containers.volumes(self._project)
        if found:
            raise OperatorError(
                f"The engine has data of an earlier stack of {self.settings.state} in "
                f"{', '.join(found)}, whose password went with the folder; `make clean` removes "
                "the data, or set TTG_STATE_DIR to another folder."
            )

    def _why(self, failure: str, said: str) -> str:
        """Say what kept the stack from starting, and what the engine said of it."""
        busy = ports.busy(self.settings, said)
        if busy:
            return f"{busy} The engine said:\n{said}"
        return "\n".join(filter(None, (self._broken(), failure)))

    def _broken(self) -> str:
        """Say which container is ill and how its log ends; empty if none is."""
        try:
            found = sorted(self.processes(), key=order)
        except OperatorError:
            # Nothing was made, or the engine is away, which its own words say.
            return ""
        # One that is starting waits for others, or has only just been begun.
        ill = [one for one in found if not one.is_ready and one.state not in _NOT_YET]
        if not ill:
            return ""
        return (
            f"{ill[0].name} is {ill[0].state} (exit code {ill[0].exit_code}). Its log ends:\n"
            + self.tail(ill[0], _TAIL_LINES)
        )

    @property
    def _project(self) -> str:
        return layout.project(self.settings)

    def _words(self, *words: str) -> list[str]:
        variables = layout.variables(self.settings)
        # Without the file the engine's own labels still say what belongs to the project.
        named = ("--env-file", str(variables)) if variables.is_file() else ("-p", self._project)
        return ["docker", "compose", *named, "--progress", "plain", *words]

    def _compose(
        self,
        remedy: str,
        *words: str,
        on_line: Callable[[str], None] | None = None,
        limit_s: float | None = None,
    ) -> None:
        with self._command(*words, on_line=on_line) as running:
            running.wait(limit_s)
        if running.code:
            raise OperatorError(_failed(running, remedy))

    def _command(self, *words: str, on_line: Callable[[str], None] | None = None) -> Command:
        return Command(self._words(*words), _environ(), on_line)


def _environ() -> dict[str, str]:
    # The file says which project this is, whatever the shell's own says.
    held = ("COMPOSE_", "TTG_")
    return {name: text for name, text in os.environ.items() if not name.startswith(held)}


def _failed(command: Command, remedy: str) -> str:
    return f"`docker compose` failed with code {command.code}. {remedy}\n{command.said}"
