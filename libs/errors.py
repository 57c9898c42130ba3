"""What can go wrong with a record, and what the loop of a stage does about it.

Rejected      the record is bad and stays bad    dead letter with the reason, then go on
Unavailable   a dependency is away for a while   try again in place, within a budget
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
