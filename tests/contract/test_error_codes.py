"""F34: a hop between two topics, and a broker that answers each of its requests with errors.

Whatever the code: the hop goes on, or it ends and is started again; it never hangs, and no record
is skipped. The mock cluster takes any sequence of records, and has no store behind it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from libs import kafka, stage
from libs.errors import Rejected
from libs.kafka import KafkaSettings, Outgoing, Producer, Record
from tests import mock_kafka as mock
from tests.mock_kafka import MockKafka, mock_kafka

pytestmark = [
    pytest.mark.timeout(600),
    # A client that an error ends leaves connections and tasks behind, which end with its process.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

READS, WRITES = "t", "out"
PARTITIONS = 2
RECORDS = 40
POLL_RECORDS_MAX = 5
# What asks again meets the same error again.
TIMES = 2
STARTS_MAX = TIMES + 1
# From one start of the hop to its end.
LIMIT_S = 30.0
CODES = (1, 3, 5, 6, 7, 9, 10, 14, 15, 16, 19, 20, 22, 25, 27, 29, 30, 45, 47, 59, 82)
RETRIED = (3, 5, 6, 7, 14, 15, 16, 19, 20)
ALL_BUT_FORBIDDEN = tuple(code for code in CODES if code != 29)
# The codes that a hop lives through, by what it asked for. The others, which no broker answers
# there or only an operator can mend, may also end it; the next start goes on where it was.
LIVED_THROUGH: dict[int, tuple[int, ...]] = {
    mock.PRODUCE: ALL_BUT_FORBIDDEN,
    mock.FETCH: ALL_BUT_FORBIDDEN,
    mock.LIST_OFFSETS: RETRIED,
    mock.METADATA: CODES,
    mock.OFFSET_COMMIT: (*RETRIED, 22, 25, 27),
    mock.OFFSET_FETCH: (3, 14, 16),
    mock.FIND_COORDINATOR: RETRIED,
    mock.JOIN_GROUP: (14, 15, 16, 25),
    mock.HEARTBEAT: (15, 16, 22, 25, 27),
    mock.LEAVE_GROUP: CODES,
    mock.SYNC_GROUP: (16, 22, 25, 27),
    mock.INIT_PRODUCER_ID: ALL_BUT_FORBIDDEN,
}


@dataclass
class Run:
    """One hop under one code of one API; values count the records from 0."""

    broker: MockKafka
    settings: KafkaSettings
    api: int
    asked_before: int = 0
    ends: list[BaseException] = field(default_factory=list[BaseException])
    acked: set[int] = field(default_factory=set[int])
    dead: set[int] = field(default_factory=set[int])
    written: list[int] = field(default_factory=list[int])
    committed: int = 0

    @property
    def is_over(self) -> bool:
        """Whether all is done, and every error was an answer; one API is asked at the end only."""
        asked = self.broker.asked(self.api) - self.asked_before
        is_asked = self.api == mock.LEAVE_GROUP or asked >= TIMES
        return is_asked and len(self.acked | self.dead) == RECORDS

    @property
    def lost(self) -> set[int]:
        """Neither in the next topic nor refused as a whole."""
        return set(range(RECORDS)) - set(self.written) - self.dead

    @property
    def is_in_order(self) -> bool:
        """Whether the first copies of each partition are in their order."""
        first = list(dict.fromkeys(self.written))
        return all(
            [one for one in first if one % PARTITIONS == number]
            == sorted(one for one in first if one % PARTITIONS == number)
            for number in range(PARTITIONS)
        )


async def run(api: int, code: int) -> Run:
    with mock_kafka(PARTITIONS, READS, WRITES) as broker:
        settings = KafkaSettings(
            bootstrap_servers=broker.bootstrap_servers,
            request_timeout_ms=5_000,
            start_patience_s=LIMIT_S,
            # A group that settles soon.
            session_timeout_ms=1_000,
            rebalance_timeout_ms=1_000,
            heartbeat_interval_ms=100,
        )
        found = Run(broker, settings, api)
        await fill(found)
        found.asked_before = broker.asked(api)
        broker.fail(api, code, TIMES)
        for _ in range(STARTS_MAX):
            trial = asyncio.wait_for(hop(found), LIMIT_S)
            (outcome,) = await asyncio.gather(trial, return_exceptions=True)
            if outcome is None:
                break
            found.ends.append(outcome)
        await look(found)
    return found


async def fill(found: Run) -> None:
    async with kafka.producer(found.settings, "door") as door:
        records = [Outgoing(READS, n % PARTITIONS, b"%d" % n, []) for n in range(RECORDS)]
        for acked in [await door.send(record) for record in records]:
            await acked


async def hop(found: Run) -> None:
    """Forward until all is over, as a stage does."""
    async with (
        kafka.producer(found.settings, "hop") as producer,
        kafka.consumer(
            found.settings,
            READS,
            group="hop",
            client_id="hop",
            poll_records_max=POLL_RECORDS_MAX,
        ) as consumer,
    ):
        stop = asyncio.Event()

        async def work(records: list[Record]) -> None:
            for record in records:
                await forward(found, producer, record)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(stage.run(consumer, work, stop))
            tasks.create_task(until(lambda: found.is_over, stop))


async def until(ask: Callable[[], bool], stop: asyncio.Event) -> None:
    # Nobody tells when the broker was asked.
    while not ask():  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    stop.set()


async def forward(found: Run, producer: Producer, record: Record) -> None:
    assert record.value is not None
    try:
        await (await producer.send(Outgoing(WRITES, record.partition, record.value, [])))
    except Rejected:
        found.dead.add(int(record.value))
    else:
        found.acked.add(int(record.value))


async def look(found: Run) -> None:
    """Read afresh what the hop has written, and what its group has committed."""
    client = AIOKafkaConsumer(
        bootstrap_servers=found.broker.bootstrap_servers, group_id="hop", enable_auto_commit=False
    )
    await client.start()
    try:
        for number in range(PARTITIONS):
            found.committed += await client.committed(TopicPartition(READS, number)) or 0
        places = [TopicPartition(WRITES, number) for number in range(PARTITIONS)]
        client.assign(places)
        await client.seek_to_beginning(*places)
        ends = await client.end_offsets(places)
        async with asyncio.timeout(LIMIT_S):
            while len(found.written) < sum(ends.values()):
                got = await client.getmany(timeout_ms=100)
                found.written += [int(one.value or b"") for many in got.values() for one in many]
    finally:
        await client.stop()


@pytest.mark.parametrize("api", LIVED_THROUGH)
def test_a_code_is_lived_through_or_ends_the_hop_and_no_record_is_skipped(
    api: int, record_property: Callable[[str, object], None]
) -> None:
    # All at once, for they mostly wait. A loop for each: while a cluster starts or ends, its
    # loop stands still.
    with ThreadPoolExecutor(len(CODES)) as threads:
        runs = dict(
            zip(CODES, threads.map(lambda code: asyncio.run(run(api, code)), CODES), strict=True)
        )

    record_property("times", TIMES * len(runs))
    record_property("acked", RECORDS * len(runs))
    record_property("lost", sum(len(one.lost) for one in runs.values()))
    assert {code: one.lost for code, one in runs.items() if one.lost} == {}
    assert [code for code, one in runs.items() if not one.is_in_order] == []
    # A commit is refused in a rebalance, and the end does not wait for another: at most one poll.
    behind = {code: RECORDS - one.committed for code, one in runs.items()}
    assert all(0 <= records <= POLL_RECORDS_MAX for records in behind.values()), behind
    ended = {code: one.ends for code, one in runs.items() if one.ends}
    assert [code for code, ends in ended.items() if TimeoutError in map(type, ends)] == []
    assert ended.keys() & LIVED_THROUGH[api] == set(), ended
