"""How many dead letters a stage writes before it stops: a bad deploy must not empty a topic.

What is counted are records, by their offsets: what lies between two letters of a partition has gone
on. So nothing has to be told of the records that are good.
"""

from __future__ import annotations

import stamina
import structlog

from libs.errors import Unavailable
from libs.kafka import Partition, Record
from libs.stage.settings import DeadLetterSettings

_log = structlog.get_logger()

# A stage that holds says so again and again: whoever looks at its log later must find it.
_TELL_AGAIN_S = 60.0


class LimitReached(Unavailable):
    """What is away is an operator: one must repair what rejects the records, or lift the limit."""


class DeadLetterLimit:
    """Counts the dead of each partition, and says which one would be too many.

    A replica that starts anew, or gets a partition, counts from nothing: whoever restarts a stage
    says that it may go on, and it goes on for no more than the limit again.
    """

    def __init__(self, settings: DeadLetterSettings) -> None:
        self._settings = settings
        self._kept_records = max(settings.window_records, settings.consecutive_max + 1)
        # By partition: the dead share of each of the last records that had any, by its offset.
        self._dead: dict[Partition, dict[int, float]] = {}

    def refusal(self, record: Record, share: float) -> str:
        """Count a record of which `share` is dead, up to 1; say why it must not be buried, if so.

        The same record again counts once.
        """
        partition = Partition(record.topic, record.partition)
        oldest = record.offset - self._kept_records
        counted = self._dead.get(partition, {}).items()
        dead = {offset: share for offset, share in counted if offset > oldest}
        dead[record.offset] = share
        self._dead[partition] = dead
        return self._too_many(dead, record.offset)

    async def allow(self, record: Record, share: float) -> None:
        """Count a record as `refusal` does; where that refuses, stop in place, and never return.

        Nothing of the poll is committed then. It is no exit: the supervisor would start the stage
        again, and each start would bury some more and send the good records of the poll once more.
        As a wait it is seen by whoever looks at the retries of a stage.
        """
        reason = self.refusal(record, share)
        if not reason:
            return
        async for trial in stamina.retry_context(
            on=LimitReached,
            attempts=None,
            timeout=None,
            wait_initial=_TELL_AGAIN_S,
            wait_max=_TELL_AGAIN_S,
            wait_jitter=0,
        ):
            with trial:
                _tell(record, reason)
                raise LimitReached(f"dead-letter limit reached: {reason}")

    def _too_many(self, dead: dict[int, float], offset: int) -> str:
        in_a_row_max = self._settings.consecutive_max
        if in_a_row_max and _in_a_row(dead, offset, in_a_row_max + 1) > in_a_row_max:
            return f"{in_a_row_max} records in a row were dead letters, and this is one more"
        records, ratio_max = self._settings.window_records, self._settings.ratio_max
        window = range(offset - records + 1, offset + 1)
        if sum(share for place, share in dead.items() if place in window) / records > ratio_max:
            return f"more than {ratio_max:.0%} of the last {records} records would be dead letters"
        return ""


def _in_a_row(dead: dict[int, float], offset: int, at_most: int) -> int:
    """Count the records right up to `offset` of which nothing has gone on."""
    count = 0
    while count < at_most and dead.get(offset - count, 0.0) >= 1:
        count += 1
    return count


def _tell(record: Record, reason: str) -> None:
    _log.error(
        "dead-letter limit reached",
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        reason=reason,
        remedy="the stage waits and commits nothing: repair what rejects the records and restart"
        " it; or, to bury them all, restart it with DEAD_LETTERS_CONSECUTIVE_MAX=0 and"
        " DEAD_LETTERS_RATIO_MAX=1",
    )
