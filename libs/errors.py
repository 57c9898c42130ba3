"""What can go wrong with a record, and what the loop of a stage does about it.

Rejected      the record is bad and stays bad    dead letter with the reason, then go on
Unavailable   a dependency is away for a while   try again in place, within a budget
  NotSent                                        as above; it is certain that nothing happened
Misconfigured the settings do not fit together   do not start, and say why
anything else                                    stop without commit, exit non-zero
"""

from __future__ import annotations


class Rejected(Exception):
    """This record or event is bad and stays bad; the reason is one short sentence."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Unavailable(Exception):
    """A dependency does not answer; what was asked of it may or may not have happened."""


class NotSent(Unavailable):
    """A dependency does not answer, and nothing has been handed over to it."""


class Misconfigured(Exception):
    """The settings do not fit together; a sentence says what to change."""
