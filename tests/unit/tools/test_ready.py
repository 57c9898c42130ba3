"""When a stack counts as ready, and when no waiting makes it so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from tools import ready
from tools.errors import OperatorError
from tools.process import Process
from tools.ready import hopeless


def process(name: str, status: str = "Running", **said: int | bool) -> Process:
    usual = {"is_healthy": True, "restarts": 0, "exit_code": 0, **said}
    return Process(name=name, stage=name, replica=0, status=status, pid=1, **usual)


@dataclass
class Listing:
    """Says one list after the other; the last for good. An error stands for nobody to ask."""

    lists: Sequence[list[Process] | OperatorError]
    lives: bool | None = True
    asked: int = field(default=0, init=False)

    def is_up(self) -> bool:
        if self.lives is None:
            raise OperatorError("nobody says")
        return self.lives

    def processes(self) -> list[Process]:
        said = self.lists[min(self.asked, len(self.lists) - 1)]
        self.asked += 1
        if isinstance(said, OperatorError):
            raise said
        return said

    def tail(self, process: Process | None, lines: int) -> str:
        return f"the log of {process.name if process else 'all'}"


def wait(listing: Listing, limit_s: float = 10.0) -> None:
    ready.wait(listing, limit_s=limit_s, poll_s=0.001)


def test_a_process_that_is_ready_may_have_been_restarted_often() -> None:
    assert hopeless([process("sink", restarts=9)], {"sink": 9}) is None
    assert hopeless([process("sink", restarts=9)], {"sink": 0}) is None


def test_only_restarts_of_this_wait_count() -> None:
    starting = process("sink", is_healthy=False, restarts=9)

    assert hopeless([process("kafka"), starting], {"kafka": 0, "sink": 8}) is None
    assert hopeless([process("kafka"), starting], {"kafka": 0, "sink": 5}) is starting


def test_a_process_that_ended_for_good_is_not_waited_for() -> None:
    failed = process("topics", status="Completed", exit_code=1)

    assert hopeless([failed], {"topics": 0}) is failed


def test_the_wait_ends_when_all_are_ready() -> None:
    starting = process("sink", is_healthy=False)
    listing = Listing([OperatorError("not yet"), [], [process("kafka"), starting], [process("k")]])

    wait(listing)
    assert listing.asked == 4


def test_another_end_than_readiness_can_be_waited_for() -> None:
    listing = Listing([[process("sink", is_healthy=False)]])

    ready.wait(listing, poll_s=0.001, is_over=lambda _: listing.asked == 3)
    assert listing.asked == 3


def test_one_that_ends_again_and_again_is_told_with_its_log_long_before_the_limit() -> None:
    crashing = [process("sink", "Restarting", restarts=n, exit_code=7) for n in range(9)]

    with pytest.raises(
        OperatorError, match=r"sink does not start \(exit code 7\)(.|\n)*log of sink"
    ):
        wait(Listing([[one] for one in crashing]))


def test_one_that_does_not_become_ready_is_told_at_the_limit() -> None:
    with pytest.raises(OperatorError, match=r"sink is not ready after 0 s(.|\n)*the log of sink"):
        wait(Listing([[process("kafka"), process("sink", is_healthy=False)]]), 0.02)


def test_what_has_ended_is_not_waited_for() -> None:
    with pytest.raises(OperatorError, match="ended by itself"):
        wait(Listing([[]], lives=False))


def test_who_cannot_be_asked_is_asked_again() -> None:
    wait(Listing([OperatorError("too much to do"), [process("sink")]], lives=None))
    with pytest.raises(OperatorError, match="The stack is not ready after 0 s"):
        wait(Listing([OperatorError("too much to do")], lives=None), 0.02)
