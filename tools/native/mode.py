"""The native mode as the commands see it: processes of this machine, under one supervisor."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

from tools.env import StackEnv
from tools.errors import OperatorError
from tools.native import (
    checks,
    follow as follow_logs,
    logfiles,
    postgres,
    readiness,
    stack,
    supervisor,
    sweep,
)
from tools.native.settings import Settings
from tools.native.stack import Programs
from tools.process import Process, Said
from tools.progress import Step


@dataclass(slots=True)
class NativeMode:
    """Kafka, Jaeger, PostgreSQL and the stages, found or made on this machine."""

    settings: Settings
    name: str = "native"
    _programs: Programs | None = field(default=None, init=False)

    def check(self) -> None:
        checks.check_paths(self.settings)
        checks.check(self.settings)

    def is_up(self) -> bool:
        return supervisor.alive(self.settings) is not None

    def prepare(self, shell: Mapping[str, str]) -> StackEnv:
        self._programs = stack.find_programs(self.settings)
        with Step("Preparing data"):
            return stack.prepare(self.settings, self._programs, shell)

    def start(self, reached: StackEnv, shell: Mapping[str, str]) -> None:
        assert self._programs is not None
        environ = stack.environment(self.settings, self._programs, reached, shell)
        supervisor.start(self.settings, self._programs.supervisor, environ)

    def processes(self) -> list[Process]:
        return supervisor.processes(self.settings)

    def said(self, processes: Sequence[Process]) -> Mapping[str, Said]:
        return readiness.ask(self.settings, processes)

    def restart(self, process: Process) -> None:
        supervisor.restart(self.settings, process.name)

    def scale(self, stage: str, replicas: int) -> None:
        supervisor.scale(self.settings, stage, replicas)

    def tail(self, process: Process | None, lines: int) -> str:
        return logfiles.tail(self.settings, process.stage if process else "supervisor", lines)

    def logs(self, stage: str, lines: int, *, follow: bool) -> None:
        if not logfiles.files(self.settings, stage):
            which = f"of {stage!r} " if stage else ""
            raise OperatorError(
                f"There is no log {which}in {self.settings.logs}; run `make up`, `make ps`."
            )
        follow_logs.show(self.settings, stage, lines, follow=follow)

    def stop(self) -> bool:
        was_up = bool(sweep.marked(self.settings.state))
        with Step("Stopping") if was_up else nullcontext():
            supervisor.stop(self.settings)
            sweep.sweep(self.settings.state)
        return was_up

    def forget(self) -> None:
        shutil.rmtree(postgres.outside(self.settings), ignore_errors=True)
