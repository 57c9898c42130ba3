"""What contract tests have in common: both brokers, a partition and a tenant of their own."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator

import asyncpg
import pytest

from libs.kafka import Partition
from tests.contract.brokers import NEEDS_STACK, Broker, in_kafka, in_memory
from tests.stack import Stack


@pytest.fixture(params=["memory", pytest.param("kafka", marks=NEEDS_STACK)])
async def broker(request: pytest.FixtureRequest) -> AsyncGenerator[Broker]:
    if request.param == "memory":
        async with in_memory() as made:
            yield made
    else:
        servers = request.getfixturevalue("stack").kafka_bootstrap_servers
        async with in_kafka(servers) as made:
            yield made


@pytest.fixture
def url(stack: Stack) -> str:
    return stack.values["DATABASE_URL"]


@pytest.fixture
def tenant() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def partition() -> Partition:
    return Partition(f"contract.{uuid.uuid4().hex}", 0)


@pytest.fixture
async def asking(url: str) -> AsyncGenerator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()
