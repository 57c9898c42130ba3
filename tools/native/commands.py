"""Runs other programs and turns their failure into one clear sentence."""

from __future__ import annotations

import re
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.errors import OperatorError

_TAIL_LINES = 12


@dataclass(frozen=True, slots=True)
class Account:
    """The user a program runs as, when it is not the caller."""

    name: str
    uid: int
    gid: int


def output(command: Sequence[str | Path], *, timeout_s: float = 60.0) -> str:
    """Return what `command` prints on both its outputs; empty if it cannot run or fails."""
    try:
        done = subprocess.run(  # noqa: S603
            [str(word) for word in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


@dataclass(frozen=True, slots=True)
class Run:
    """A program to run, and the remedy to name when it fails."""

    command: Sequence[str | Path]
    remedy: str
    environ: Mapping[str, str] | None = None
    folder: Path | None = None
    account: Account | None = None
    text: str = ""

    def __call__(self, on_line: Callable[[str], None] | None = None) -> None:
        """Run it to its end; `on_line` sees each line it prints. Raises `OperatorError`."""
        tail: deque[str] = deque(maxlen=_TAIL_LINES)
        try:
            code = self._follow(tail, on_line)
        except OSError as error:
            raise OperatorError(
                f"{self.command[0]} does not run ({error}). {self.remedy}"
            ) from error
        if code != 0:
            said = "\n  ".join(tail)
            raise OperatorError(
                f"{Path(self.command[0]).name} failed with code {code}. {self.remedy}\n  {said}"
            )

    def _follow(self, tail: deque[str], on_line: Callable[[str], None] | None) -> int:
        account = self.account
        with subprocess.Popen(  # noqa: S603
            [str(word) for word in self.command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environ,
            cwd=self.folder,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(self.text)
            process.stdin.close()
            try:
                for line in process.stdout:
                    tail.append(line.rstrip())
                    if on_line is not None:
                        on_line(line.rstrip())
            except BaseException:
                # Also on Ctrl-C: it must not go on by itself.
                process.terminate()
                process.wait()
                raise
        return process.returncode


def may_enter(folder: Path, account: Account | None) -> bool:
    """Tell whether `account` can reach what is in `folder`."""
    test = subprocess.run(  # noqa: S603
        ["/bin/sh", "-c", 'test -x "$1"', "sh", str(folder)],
        check=False,
        cwd="/",
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
    return test.returncode == 0


def version_in(text: str) -> tuple[int, ...]:
    """Return the first number with dots in `text`, as (15, 18); empty if there is none."""
    found = re.search(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in found.group().split(".")) if found else ()
