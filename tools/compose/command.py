"""A command of the engine at work: what it says last, and that it ends when nobody waits for it."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from tools.errors import OperatorError

_TAIL_LINES = 12
# For what it has asked of the engine; what is left of it after that is killed.
_END_LIMIT_S = 10.0
# For the last lines of one that has ended.
_READ_LIMIT_S = 2.0


class Command:
    """One run of a command, which does not outlive its `with`.

    It has a session of its own, so Ctrl-C reaches it through us only: what must not be interrupted
    is not, and its end takes along the plugin that does the work.
    """

    def __init__(
        self,
        words: Sequence[str],
        environ: Mapping[str, str],
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        self._words = words
        self._environ = environ
        self._on_line = on_line
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)

    def __enter__(self) -> Self:
        try:
            self._process = subprocess.Popen(  # noqa: S603
                self._words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env=self._environ,
                start_new_session=True,
            )
        except OSError as error:
            raise OperatorError(f"{self._words[0]} does not run ({error}).") from error
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._end()
        self._reader.join(_READ_LIMIT_S)

    def has_ended(self) -> bool:
        """Tell whether it has ended, well or not."""
        return self._process.poll() is not None

    def wait(self, limit_s: float | None = None) -> None:
        """Wait for its end. Raises `OperatorError` if that does not come within the limit."""
        try:
            self._process.wait(limit_s)
        except subprocess.TimeoutExpired as error:
            raise OperatorError(
                f"`{' '.join(self._words[:2])}` has not ended within {limit_s:.0f} s; see what "
                f"`docker info` says, and try again. It said last:\n{self.said}"
            ) from error

    @property
    def code(self) -> int:
        """Its exit code, after its end."""
        return self._process.returncode

    @property
    def said(self) -> str:
        """The last lines it has printed, indented."""
        return "\n".join(f"  {line}" for line in tuple(self._tail))

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._tail.append(line.rstrip())
                if self._on_line is not None:
                    self._on_line(line.rstrip())

    def _end(self) -> None:
        try:
            self._signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_LIMIT_S)
        finally:
            # Also on a second Ctrl-C.
            self._signal(signal.SIGKILL)
            self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
