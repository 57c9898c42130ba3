"""A COMMIT whose answer is lost, on a real PostgreSQL: it is found out what was stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Literal

import asyncpg
import pytest

from libs.kafka import Partition
from services.sink.claims import Fenced
from services.sink.rules import incoming
from services.sink.store import Interrupted, Transaction
from tests.contract.owners import kept, one_event, owner, stored, writer_of
from tests.contract.test_store import batch_of, record_of
from tests.emitted import Emitted

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1_900)]

Theft = Literal["after", "before"]


class CommitThief:
    """A proxy that takes away the answer to a COMMIT, or the COMMIT itself, and cuts the line."""

    def __init__(self, theft: Theft, times: int = 1) -> None:
        self._theft = theft
        self.left = times
        self.stolen_at: list[datetime] = []
        self._writers: list[asyncio.StreamWriter] = []

    @asynccontextmanager
    async def before(self, url: str) -> AsyncGenerator[str]:
        """Yield the URL of the database behind the proxy."""
        place = url.rsplit("@", 1)[1].split("/")[0]
        self._target = place.split(":")[0], int(place.split(":")[1])
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            yield url.replace(place, f"127.0.0.1:{port}")
        finally:
            server.close()
            for writer in self._writers:
                writer.close()
                with suppress(ConnectionError):
                    await writer.wait_closed()

    async def _serve(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        database, asked = await asyncio.open_connection(*self._target)
        self._writers += [asked, answers]
        is_muted = asyncio.Event()

        async def back() -> None:
            while data := await database.read(65_536):
                if is_muted.is_set():
                    break
                answers.write(data)

        returning = asyncio.create_task(back())
        with suppress(ConnectionError):
            while data := await client.read(65_536):
                is_stolen = b"COMMIT" in data and self.left > 0
                if is_stolen:
                    self.left -= 1
                    is_muted.set()
                if not is_stolen or self._theft == "after":
                    asked.write(data)
                if is_stolen:
                    if self._theft == "after":
                        await returning
                    self.stolen_at.append(datetime.now(UTC))
                    break
        returning.cancel()
        asked.close()
        answers.close()


@pytest.mark.parametrize("theft", ["after", "before"])
async def test_a_commit_without_an_answer_is_found_out_about(
    url: str,
    tenant: str,
    partition: Partition,
    asking: asyncpg.Connection[asyncpg.Record],
    theft: Theft,
) -> None:
    """It was stored by the first try, or it was not and the second does: one root, one row each."""
    thief, spans = CommitThief(theft), Emitted()
    async with thief.before(url) as proxied:
        events = owner(proxied)
        # Without the schema's own transactions in the thief's way.
        left, thief.left = thief.left, 0
        await events.claim(partition, 0)
        thief.left = left
        writer = writer_of(events, spans)

        await writer.work([record_of(partition.topic, batch_of(tenant, 3))])
        # As whoever reads does: the claim went with the connection.
        assert not events.holds(partition)
        assert await events.claim(partition, 0) == 1
        await writer.work([record_of(partition.topic, batch_of(tenant, 2), 1)])
        events.close()

    (stolen_at,) = thief.stolen_at
    first = await asking.fetchval("select min(stored_at) from event where tenant = $1", tenant)
    assert (first < stolen_at) == (theft == "after")
    assert (await stored(asking, tenant), await kept(asking, partition)) == (5, 2)
    assert [root.attributes["ttg.events.stored"] for root in spans.roots()] == [3, 2]
    commits = [span.error_type for span in spans.spans if span.name == "COMMIT"]
    assert [bool(error) for error in commits] == [True, False, False]


async def test_what_the_second_try_has_just_done_is_not_taken_for_the_first(
    url: str, tenant: str, partition: Partition, asking: asyncpg.Connection[asyncpg.Record]
) -> None:
    other, thief = Partition(partition.topic, 1), CommitThief("before")
    async with thief.before(url) as proxied:
        events, heir = owner(proxied), owner(url)
        left, thief.left = thief.left, 0
        for each in (partition, other):
            await events.claim(each, 0)
        thief.left = left
        both = Transaction(incoming([batch_of(tenant, 2)]), ends={partition: 1, other: 1})
        with pytest.raises(Interrupted):
            await events.write(both)
        await heir.claim(other, 0)

        with pytest.raises(Fenced) as fenced:
            await events.write(both)
        heir.close()
        events.close()

    assert fenced.value.partitions == {other}
    assert (await stored(asking, tenant), await kept(asking, partition)) == (0, 0)


@pytest.mark.parametrize(("theft", "position"), [("after", 1), ("before", 0)])
async def test_after_a_commit_without_an_answer_the_next_owner_reads_on_where_it_must(
    url: str, tenant: str, partition: Partition, theft: Theft, position: int
) -> None:
    thief, heir = CommitThief(theft), owner(url)
    async with thief.before(url) as proxied:
        events = owner(proxied)
        left, thief.left = thief.left, 0
        await events.claim(partition, 0)
        thief.left = left
        transaction = one_event(tenant, partition, 1)
        with pytest.raises(Interrupted):
            await events.write(transaction)

        assert await heir.claim(partition, 0) == position
        with pytest.raises(Fenced):
            await events.write(transaction)
        events.close()
        heir.close()
