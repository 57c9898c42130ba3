"""Each peer of the bench stores every event it is given, as our own stages would."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator

import asyncpg
import pytest

from bench.peers import chain, environment, feeding, supply
from bench.peers.chain import Field
from bench.peers.entrants import ENTRANTS, Entrant
from bench.peers.supply import Supply
from bench.stack.temporary import Stack as Measured
from bench.watch.table import Table
from tests.stack import Stack
from tools import env
from tools.native.settings import Settings, cache_dir

EVENTS = 300
SAMPLED = 10.0
PYTHON = environment.found()
pytestmark = [
    pytest.mark.stack,
    pytest.mark.timeout(60),
    pytest.mark.skipif(
        PYTHON is None, reason="the peers are not installed; `make bench WHAT=peers` installs them"
    ),
]


@pytest.fixture
async def field(stack: Stack) -> AsyncGenerator[Field]:
    settings = Settings(stack.state_dir, cache_dir(os.environ), stack.port_base)
    reached = env.parse(settings.env_file.read_text())
    pids = {name: stack.pids(name)[0] for name in ("kafka", "jaeger")}
    connection = await asyncpg.connect(reached.database_url)
    assert PYTHON is not None
    yield Field(Measured(settings, reached, pids), Table(connection), Supply(), PYTHON)
    await connection.close()


@pytest.mark.parametrize("entrant", ENTRANTS.values(), ids=ENTRANTS)
async def test_a_peer_stores_every_event(field: Field, entrant: Entrant) -> None:
    contexts = supply.contexts(EVENTS, SAMPLED) if entrant.is_traced else None
    async with chain.topics(field, entrant, 0) as names:
        await feeding.preload(field.servers, names[0], field.supply.take(EVENTS), contexts)
        async with chain.running(field, entrant, names, SAMPLED) as running:
            await running.table.until(EVENTS, running.check, lambda _said: None)

            rows = await field.table.connection.fetch(
                f"select event_id, name, unit, owner, attributes->>'entity' as entity,"  # noqa: S608
                f" stored_at > timestamp as is_later from {entrant.table}"
            )
            assert len({row["event_id"] for row in rows}) == len(rows) == EVENTS
            assert {(row["name"], row["unit"]) for row in rows} == {
                ("checkout.latency", "s"),
                ("cpu.utilization", "1"),
                ("memory.usage", "By"),
            }
            assert {row["owner"] for row in rows if row["entity"] == "checkout"} == {"amelia"}
            assert all(row["is_later"] for row in rows)
