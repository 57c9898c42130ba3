"""What a long step shows, on a terminal and in a log."""

from __future__ import annotations

import io
import os
import pty
import termios
import threading

import pytest

from tools import progress
from tools.progress import Step


class Watched(io.StringIO):
    """A log that somebody can wait for."""

    def __init__(self) -> None:
        super().__init__()
        self.has_text = threading.Event()
        self.wanted = ""

    def write(self, text: str) -> int:
        written = super().write(text)
        if self.wanted in self.getvalue():
            self.has_text.set()
        return written


class Gone(io.StringIO):
    """A terminal that was closed."""

    def write(self, text: str) -> int:
        raise OSError(5, "Input/output error")


def test_a_log_says_what_begins_and_how_it_ended() -> None:
    log = io.StringIO()

    with Step("Fetching Kafka", log):
        pass
    first, last = log.getvalue().splitlines()
    assert first == "Fetching Kafka …"
    assert last.startswith("Fetching Kafka: done after 0.")


def test_a_step_that_fails_says_that_it_stopped() -> None:
    log = io.StringIO()

    with pytest.raises(ValueError, match="no"), Step("Fetching", log):
        raise ValueError("no")
    assert "Fetching: stopped after" in log.getvalue()


def test_time_is_shown_while_nothing_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PLAIN_INTERVAL_S", 0.01)
    log = Watched()
    log.wanted = "Fetching (0 s)\n"

    with Step("Fetching", log):
        assert log.has_text.wait(5)


def test_the_last_report_is_shown_with_the_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PLAIN_INTERVAL_S", 0.01)
    log = Watched()
    log.wanted = "Fetching (0 s): 3 of 9 jars\n"

    with Step("Fetching", log) as step:
        step.update("3 of 9 jars")
        assert log.has_text.wait(5)


def test_a_live_line_is_written_over_and_never_wraps() -> None:
    controller, follower = pty.openpty()
    termios.tcsetwinsize(follower, (24, 20))
    with os.fdopen(follower, "w") as terminal, Step("x" * 60, terminal):
        shown = os.read(controller, 1_000).decode()
    os.close(controller)

    assert shown == "\x1b[2K" + "x" * 19 + "\r"


def test_a_watcher_who_is_gone_does_not_stop_the_work() -> None:
    done = False

    with Step("Fetching", Gone()):
        done = True
    assert done
