# pyright: basic
"""From where the partitions of an assignment are read, and that none is read before it is known.

A partition that comes is paused at once, claimed by the next poll, and let out from there. Not in
the callback of the rebalance: the client sends no heartbeats during it, keeps its errors to itself
and hands records out meanwhile.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError, KafkaTimeoutError

from libs.errors import Unavailable
from libs.kafka.records import Gap, Partition, Positions
from libs.kafka.settings import KafkaSettings

_log = structlog.get_logger()

# Claims are at least a part of this apart: at random, so that two who fight for a partition do not
# keep step. One that a lost connection has taken, long after it was made, is made again at once.
_CLAIM_AGAIN_S = 1.0


class Claiming:
    """Keeps the next offset of each partition that may be read; the others are paused."""

    def __init__(
        self, client: AIOKafkaConsumer, settings: KafkaSettings, positions: Positions | None
    ) -> None:
        self._client = client
        self._settings = settings
        self._positions = positions
        self._next: dict[TopicPartition, int] = {}
        # Counts the assignments: what was found out for one does not hold for the next.
        self._assignment = 0
        # Nothing is assigned, or not yet again.
        self.is_rebalancing = True
        self._claimed_s = 0.0
        self._claim_at_s = 0.0

    def assigned(self, partitions: Iterable[TopicPartition]) -> None:
        """Hold back the partitions of a new assignment until each is claimed."""
        self._client.pause(*partitions)
        for partition in partitions:
            # A stand-in: without a position the client looks for one, and fails if there is none.
            self._client.seek(partition, 0)
        self._next.clear()
        self._assignment += 1
        self.is_rebalancing = False
        self._claim_at_s = 0.0

    def revoked(self) -> None:
        """Let nothing out until there is an assignment again."""
        self._next.clear()
        self._assignment += 1
        self.is_rebalancing = True

    def is_claimed(self, partition: TopicPartition) -> bool:
        """Whether records of a partition may come."""
        return partition in self._next

    def is_held(self, partition: Partition) -> bool:
        """Whether nobody has taken a partition over, as far as is known."""
        return self._positions is None or self._positions.holds(partition)

    def withhold(self, partition: TopicPartition) -> None:
        """Read no more of a partition until it is claimed again, which is soon."""
        if partition in self._client.assignment():
            self._client.pause(partition)
        self._next.pop(partition, None)
        self._put_off()

    def let_out(self, partition: TopicPartition, batch: list) -> list:
        """Pass on records that follow those before them; hold the partition back otherwise.

        Offsets may be left out, by markers and by compaction, and never come again.
        """
        expected = self._next.get(partition)
        if expected is None or batch[0].offset < expected:
            _log.error(
                "records out of turn",
                partition=partition.partition,
                offset=batch[0].offset,
                expected=expected,
            )
            self.withhold(partition)
            return []
        self._next[partition] = batch[-1].offset + 1
        return batch

    async def catch_up(self) -> None:
        """Claim what came, and what somebody has taken over.

        Raises `Gap`. What cannot be claimed now is claimed by a later call.
        """
        for lost in [held for held in self._next if not self.is_held(Partition(*held))]:
            self.withhold(lost)
        missing = sorted(self._client.assignment() - self._next.keys())
        if not missing or self.is_rebalancing or time.monotonic() < self._claim_at_s:
            return
        self._claimed_s = time.monotonic()
        try:
            await self._claim(missing)
        except IllegalStateError:
            _log.info("partitions left while they were claimed")
        except KafkaError as error:
            if not error.retriable and not isinstance(error, KafkaTimeoutError):
                raise
            _log.warning("claim put off", reason=repr(error))
            self._put_off()
        except (Unavailable, TimeoutError) as error:
            _log.warning("claim put off", reason=repr(error))
            self._put_off()

    async def pass_gap(self, partition: TopicPartition, offset: int) -> None:
        """Go on behind what the log no longer has. Raises `Gap` unless that is accepted.

        Does nothing while the broker or the store is away: the client says the same again.
        """
        try:
            async with asyncio.timeout(self._settings.request_timeout_ms / 1000):
                starts = await self._client.beginning_offsets([partition])
                ends = await self._client.end_offsets([partition])
            found = await self._in_log(partition, offset, (starts[partition], ends[partition]))
        except (KafkaError, Unavailable, TimeoutError) as error:
            _log.warning("gap not looked at yet", reason=repr(error))
            await asyncio.sleep(_CLAIM_AGAIN_S)
            return
        if partition in self._next:
            self._client.seek(partition, found)
            self._next[partition] = found

    def _put_off(self) -> None:
        wait_s = _CLAIM_AGAIN_S * random.uniform(0.2, 1)  # noqa: S311 - a draw, not a secret.
        self._claim_at_s = self._claimed_s + wait_s

    async def _claim(self, partitions: list[TopicPartition]) -> None:
        assignment = self._assignment
        limit_s = self._settings.request_timeout_ms / 1000
        async with asyncio.timeout(limit_s):
            starts = await self._client.beginning_offsets(partitions)
            committed = await asyncio.gather(*map(self._client.committed, partitions))
        positions: dict[TopicPartition, int] = {}
        for partition, kept in zip(partitions, committed, strict=True):
            # A group that has committed nothing begins at the first record there is.
            offset = starts[partition] if kept is None else kept
            if assignment != self._assignment:
                return
            if self._positions is not None:
                offset = await self._positions.claim(Partition(*partition), offset)
            positions[partition] = offset
        async with asyncio.timeout(limit_s):
            # Asked for last: the log may grow, and never past a position that was taken before.
            ends = await self._client.end_offsets(partitions)
        for partition, offset in positions.items():
            log = starts[partition], ends[partition]
            positions[partition] = await self._in_log(partition, offset, log)
        if assignment != self._assignment:
            return
        for partition, offset in positions.items():
            self._client.seek(partition, offset)
            self._next[partition] = offset
            self._client.resume(partition)

    async def _in_log(self, partition: TopicPartition, offset: int, log: tuple[int, int]) -> int:
        """Return the offset if the log has it, or will have it next."""
        start, end = log
        if start <= offset <= end:
            return offset
        missing = (
            f"records {offset} to {start - 1} ({start - offset} of them) were deleted unread"
            if offset < start
            else f"the log ends at {end}: it was cut, or made anew"
        )
        what = (
            f"{partition.topic}-{partition.partition} is to be read on at {offset}, but {missing}"
        )
        if not self._settings.accept_gap:
            raise Gap(f"{what}; to go on at {start}, set KAFKA_ACCEPT_GAP=true for one start")
        _log.error("a gap was accepted", what=what, goes_on_at=start)
        if self._positions is not None:
            await self._positions.move(Partition(*partition), start)
        return start
