"""What tests of the sink's store have in common: a partition and a tenant of their own."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator

import asyncpg
import pytest

from libs.kafka import Partition
from tests.stack import Stack


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
