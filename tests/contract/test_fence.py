"""Who may write what comes from a partition, on a real PostgreSQL: one owner, each event once."""

from __future__ import annotations

import asyncio
import random
import uuid
from contextlib import suppress
from dataclasses import dataclass

import asyncpg
import msgspec
import pytest

from libs.errors import Misconfigured, Unavailable
from libs.kafka import Partition, Record
from services.sink import store
from services.sink.claims import Fenced
from services.sink.store import Store
from tests.contract.owners import kept, one_event, owner, stored, writer_of
from tests.contract.test_store import batch_of, record_of
from tests.emitted import Emitted

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1_900)]

SETTLE_LIMIT_S = 60.0


async def test_a_partition_begins_where_it_is_told_and_goes_on_where_it_was_left(
    url: str, tenant: str, partition: Partition
) -> None:
    first, second = owner(url), owner(url)

    assert await first.claim(partition, 7) == 7
    await first.write(one_event(tenant, partition, 9))
    assert await second.claim(partition, 0) == 9
    first.close()
    second.close()


async def test_who_has_lost_a_claim_writes_nothing_more(
    url: str, tenant: str, partition: Partition, asking: asyncpg.Connection[asyncpg.Record]
) -> None:
    zombie, heir = owner(url), owner(url)
    await zombie.claim(partition, 0)
    await heir.claim(partition, 0)

    with pytest.raises(Fenced, match="claimed by somebody else"):
        await zombie.write(one_event(tenant, partition, 1))

    assert not zombie.holds(partition)
    assert (await stored(asking, tenant), await kept(asking, partition)) == (0, 0)
    await heir.write(one_event(tenant, partition, 1))
    assert (await stored(asking, tenant), await kept(asking, partition)) == (1, 1)
    zombie.close()
    heir.close()


async def test_of_two_partitions_only_the_one_that_was_lost_is_dropped(
    url: str, tenant: str, partition: Partition, asking: asyncpg.Connection[asyncpg.Record]
) -> None:
    other = Partition(partition.topic, 1)
    one, thief = owner(url), owner(url)
    for each in (partition, other):
        await one.claim(each, 0)
    await thief.claim(other, 0)
    mine, theirs = record_of(partition.topic, batch_of(tenant, 2)), batch_of(tenant, 3)
    lost = record_of(other.topic, theirs)
    lost.partition = other.number

    await writer_of(one, Emitted()).work([mine, lost])

    assert await stored(asking, tenant) == 2
    assert (one.holds(partition), one.holds(other)) == (True, False)
    assert (await kept(asking, partition), await kept(asking, other)) == (1, 0)
    one.close()
    thief.close()


async def test_what_is_dropped_when_a_connection_is_lost_is_not_passed_over(
    url: str, tenant: str, partition: Partition, asking: asyncpg.Connection[asyncpg.Record]
) -> None:
    """One poll in several transactions, and the connection goes with the first of them."""
    other = Partition(partition.topic, 1)
    one = owner(url, name=tenant)
    for each in (partition, other):
        await one.claim(each, 0)
    first = record_of(partition.topic, batch_of(tenant, 10))
    rest = [record_of(other.topic, batch_of(tenant, 10), offset) for offset in range(3)]
    for record in rest:
        record.partition = other.number
    await asking.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name ^@ $1",
        tenant,
    )

    writer = writer_of(one, Emitted())
    await writer.work([first, *rest[:2]])
    if one.holds(other):
        await writer.work(rest[2:])

    assert await kept(asking, partition) == 1
    assert await stored(asking, tenant) == 10 + 10 * await kept(asking, other)
    one.close()


@dataclass
class Fight:
    """Several owners work off one log, each as long as it is let."""

    url: str
    log: list[Record]
    partition: Partition
    failpoints: str = ""
    fenced: int = 0
    kills: int = 0

    async def own(self, seed: int) -> None:
        draw = random.Random(seed)  # noqa: S311
        events = owner(self.url, self.failpoints, name=f"fight-{self.partition.topic[-8:]}")
        writer = writer_of(events, Emitted())
        try:
            while (position := await self._claim(events)) < len(self.log):
                while position < len(self.log) and draw.random() > 0.1:
                    records = self.log[position : position + draw.randint(1, 4)]
                    await writer.work(records)
                    if not events.holds(self.partition):
                        self.fenced += 1
                        break
                    position += len(records)
        finally:
            events.close()

    async def _claim(self, events: Store) -> int:
        while True:
            with suppress(Unavailable):
                return await events.claim(self.partition, 0)
            await asyncio.sleep(0.05)

    async def kill(self, asking: asyncpg.Connection[asyncpg.Record]) -> None:
        """Terminate the backends of the owners, over and over."""
        draw = random.Random(1)  # noqa: S311
        while True:
            await asyncio.sleep(draw.uniform(0.02, 0.2))
            self.kills += await asking.fetchval(
                "select count(pg_terminate_backend(pid)) from pg_stat_activity"
                " where application_name like $1",
                f"fight-{self.partition.topic[-8:]}%",
            )


def log_of(tenant: str, partition: Partition, records: int) -> list[Record]:
    """A log in which a quarter of the records come twice, as after a crash of a hop."""
    batches = [batch_of(tenant, 3) for _ in range(records)]
    log = [*batches, *batches[: records // 4]]
    return [record_of(partition.topic, batch, offset) for offset, batch in enumerate(log)]


async def test_owners_who_fight_store_each_event_once(
    url: str, tenant: str, partition: Partition, asking: asyncpg.Connection[asyncpg.Record]
) -> None:
    fight = Fight(url, log_of(tenant, partition, 200), partition)

    async with asyncio.timeout(SETTLE_LIMIT_S):
        await asyncio.gather(*(fight.own(seed) for seed in range(4)))

    assert fight.fenced > 10
    assert await stored(asking, tenant) == 600
    assert await kept(asking, partition) == 250


async def test_backends_that_are_killed_all_the_time_store_each_event_once(
    url: str, tenant: str, partition: Partition, asking: asyncpg.Connection[asyncpg.Record]
) -> None:
    # Slow enough to be killed in the middle of a transaction, also on a machine of any speed.
    fight = Fight(url, log_of(tenant, partition, 200), partition, "sink.in_copy:delay_ms=20")
    killer = await asyncpg.connect(url)
    killing = asyncio.create_task(fight.kill(killer))

    async with asyncio.timeout(SETTLE_LIMIT_S):
        await asyncio.gather(*(fight.own(seed) for seed in range(2)))

    killing.cancel()
    with suppress(asyncio.CancelledError):
        await killing
    killer.terminate()
    assert fight.kills > 3
    assert await stored(asking, tenant) == 600
    assert await kept(asking, partition) == 250


async def test_a_copy_of_a_record_makes_no_second_letter_and_no_second_root(
    url: str, tenant: str, partition: Partition, asking: asyncpg.Connection[asyncpg.Record]
) -> None:
    events, spans = owner(url), Emitted()
    await events.claim(partition, 0)
    batch = batch_of(tenant, 1)
    dead = msgspec.structs.replace(batch.events[0], name="no\0text")
    batch = msgspec.structs.replace(batch, events=[dead])

    for offset in (0, 1):
        await writer_of(events, spans).work([record_of(partition.topic, batch, offset)])
    events.close()

    letters = "select count(*) from dead_letter where topic = $1"
    assert await asking.fetchval(letters, partition.topic) == 1
    assert len(spans.roots()) == 1


async def test_a_position_is_asked_for_again_on_a_new_connection(
    url: str, tenant: str, partition: Partition
) -> None:
    events = owner(url)
    await events.claim(partition, 0)
    await events.write(one_event(tenant, partition, 3))

    events.close()

    assert not events.holds(partition)
    assert await events.claim(partition, 0) == 3
    assert events.holds(partition)
    events.close()


async def test_a_zombie_in_its_transaction_loses_the_partition_in_time(
    url: str, tenant: str, partition: Partition, asking: asyncpg.Connection[asyncpg.Record]
) -> None:
    zombie, heir = owner(url, "sink.in_copy:delay_ms=8000@1", name="zombie"), owner(url)
    record = record_of(partition.topic, batch_of(tenant, 3))
    await zombie.claim(partition, 0)
    haunting = asyncio.create_task(writer_of(zombie, Emitted()).work([record]))
    async with asyncio.timeout(SETTLE_LIMIT_S):
        while True:
            if await asking.fetchval(
                "select count(*) from pg_stat_activity where application_name like 'zombie-%'"
                " and state = 'idle in transaction' and query like '%update sink_offset%'"
            ):
                break
            await asyncio.sleep(0.02)

    assert await heir.claim(partition, 0) == 0
    assert not haunting.done()
    await writer_of(heir, Emitted()).work([record])
    await haunting

    assert (zombie.holds(partition), heir.holds(partition)) == (False, True)
    assert (await stored(asking, tenant), await kept(asking, partition)) == (3, 1)
    zombie.close()
    heir.close()


async def test_tables_of_another_version_are_refused_with_a_sentence(url: str) -> None:
    connection = await asyncpg.connect(url)
    schema = f"old_{uuid.uuid4().hex}"
    await connection.execute(f'create schema "{schema}"')
    other = f"{url}&search_path={schema}"
    try:
        async with store.opened(other, "fence"):
            pass
        await connection.execute(f'alter table "{schema}".event drop column unit')

        with pytest.raises(Misconfigured, match="unit"):
            async with store.opened(other, "fence"):
                pass
    finally:
        await connection.execute(f'drop schema "{schema}" cascade')
        await connection.close()
