"""The two ways to run a stack, behind one protocol, and which of them is meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from tools.compose import engine
from tools.compose.mode import ComposeMode
from tools.env import StackEnv
from tools.errors import OperatorError
from tools.native.mode import NativeMode
from tools.native.settings import Settings
from tools.process import Process, Said

_FILE = "mode"


class Mode(Protocol):
    """A way to run the processes of one stack. Each method may raise `OperatorError`."""

    @property
    def name(self) -> str:
        """What MODE calls it."""
        ...

    def check(self) -> None:
        """Raise `OperatorError` with the remedy for the first thing that would not work."""
        ...

    def is_up(self) -> bool:
        """Tell whether the stack was started and not stopped, whatever has failed since.

        Raises `OperatorError` if nobody can say: what may be up is not started over.
        """
        ...

    def prepare(self, shell: Mapping[str, str]) -> StackEnv:
        """Fetch, build and lay out all that a start needs; return how the stack is reached."""
        ...

    def start(self, reached: StackEnv, shell: Mapping[str, str]) -> None:
        """Start what `prepare` has laid out. Its processes become ready by themselves."""
        ...

    def processes(self) -> list[Process]:
        """Return every process, in no order."""
        ...

    def said(self, processes: Sequence[Process]) -> Mapping[str, Said]:
        """Return what replicas say of themselves, by the names of their processes."""
        ...

    def restart(self, process: Process) -> None:
        """Start a process again that has ended for good."""
        ...

    def scale(self, stage: str, replicas: int) -> None:
        """Run `replicas` of `stage`; those that run stay, the highest ones leave first."""
        ...

    def tail(self, process: Process | None, lines: int) -> str:
        """Return the last lines of a process, or of what supervises all of them."""
        ...

    def logs(self, stage: str, lines: int, *, follow: bool) -> None:
        """Print the logs of a stage, or of all if it is empty."""
        ...

    def stop(self) -> bool:
        """Stop the stack and what is left of it; its data stays. Return whether anything ran."""
        ...

    def forget(self) -> None:
        """Remove the data that is not in the state folder. The stack is stopped."""
        ...


def of(settings: Settings) -> Mode:
    """Return the mode of the stack that is up here, else the one that a start would take."""
    return _by_name(settings, recorded(settings) or _wanted(settings))


def running(settings: Settings) -> Mode:
    """Return the mode of the stack that is up here. Raises `OperatorError` if none is."""
    found = _by_name(settings, recorded(settings) or "native")
    if not found.is_up():
        raise OperatorError("No stack is up here; run `make up`.")
    return found


def for_start(settings: Settings) -> Mode:
    """Return the mode to start in. Raises `OperatorError` if the stack is up in the other one."""
    there = recorded(settings)
    if settings.mode and there not in {"", settings.mode}:
        raise OperatorError(
            f"This stack is up by MODE={there}; run `make down` before MODE={settings.mode}."
        )
    return _by_name(settings, there or _wanted(settings))


def left(settings: Settings) -> tuple[Mode, ...]:
    """Return the modes that may have something running: a killed start leaves its processes.

    Containers outlive the state folder, and with it the record of who runs them.
    """
    compose, native = ComposeMode(settings), NativeMode(settings)
    there = recorded(settings)
    has_containers = there == "compose" or (not there and compose.is_left())
    return (compose, native) if has_containers else (native,)


def every(settings: Settings) -> tuple[Mode, ...]:
    """Return all modes: each knows whether it has data of this stack."""
    return ComposeMode(settings), NativeMode(settings)


def recorded(settings: Settings) -> str:
    """Return the name of the mode that the stack was started in; empty if it is down."""
    try:
        return (settings.state / _FILE).read_text().strip()
    except FileNotFoundError:
        return ""


def record(settings: Settings, mode: Mode) -> None:
    """Note which mode the stack is started in, so that every later command finds it."""
    (settings.state / _FILE).write_text(mode.name + "\n")


def forget(settings: Settings) -> None:
    """Note that the stack is down."""
    (settings.state / _FILE).unlink(missing_ok=True)


def _wanted(settings: Settings) -> str:
    return settings.mode or ("compose" if engine.answers() and engine.composes() else "native")


def _by_name(settings: Settings, name: str) -> Mode:
    return ComposeMode(settings) if name == "compose" else NativeMode(settings)
