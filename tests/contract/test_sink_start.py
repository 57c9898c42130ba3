"""A sink that starts before its PostgreSQL waits for it, but not for what waiting cannot mend."""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
import time
import uuid
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import asyncpg
import pytest

from libs.errors import Misconfigured, Unavailable
from services.sink import store
from services.sink.rules import incoming
from services.sink.store import Transaction
from tests.contract.retries import tries
from tests.contract.test_store import batch_of
from tests.faults.proxy import HOST, Proxy
from tests.replica import DRAIN_LIMIT_S, READY_LIMIT_S, replica
from tests.stack import Stack, eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1_900)]

PATIENCE_S = 60.0
RETRIES = 5
# 0.1 + 0.2 + 0.4 + 0.8 s lie between so many.
RETRIES_TAKE_S = 1.5


@contextmanager
def nobody_listening() -> Iterator[int]:
    """Hold a port on which nobody listens."""
    with socket.socket() as held:
        # Somebody else who does the same may listen there meanwhile.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((HOST, 0))
        yield held.getsockname()[1]


def at(url: str, port: int) -> str:
    """Name the same database at another port."""
    return url.replace(f":{port_of(url)}/", f":{port}/")


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


async def write_one(url: str, tenant: str, patience_s: float = PATIENCE_S) -> None:
    async with store.opened(url, "test", patience_s=patience_s) as events:
        await events.write(Transaction(incoming([batch_of(tenant, 1)])))


async def test_a_start_without_postgresql_waits_for_it(
    url: str, tenant: str, asking: asyncpg.Connection[asyncpg.Record]
) -> None:
    with nobody_listening() as port, tries() as tried:
        starting = asyncio.create_task(write_one(at(url, port), tenant))
        await asyncio.wait_for(tried.wait(), READY_LIMIT_S)
        assert not starting.done()
        with Proxy(port, port_of(url)).listening():
            await asyncio.wait_for(starting, READY_LIMIT_S)

    assert await asking.fetchval("select count(*) from event where tenant = $1", tenant) == 1


@pytest.mark.parametrize("patience_s", [0.0, 0.5])
async def test_a_start_without_postgresql_is_tried_for_no_longer_than_its_patience(
    url: str, tenant: str, patience_s: float
) -> None:
    with nobody_listening() as port, tries() as tried:
        with pytest.raises(Unavailable, match="PostgreSQL: ConnectionRefusedError"):
            await asyncio.wait_for(write_one(at(url, port), tenant, patience_s), READY_LIMIT_S)

    assert tried.is_set() is (patience_s > 0)


@pytest.mark.parametrize(
    ("part", "other", "said"),
    [
        ("user", "stranger", "password authentication failed"),
        ("password", "wrong", "password authentication failed"),
        ("path", "/none", 'database "none" does not exist'),
        ("scheme", "mysql", "scheme"),
    ],
)
async def test_what_postgresql_refuses_ends_the_start_at_once_with_a_sentence(
    url: str, part: str, other: str, said: str
) -> None:
    with tries() as tried, pytest.raises(Misconfigured, match=f"DATABASE_URL: .*{said}"):
        async with store.opened(changed(url, part, other), "test", patience_s=PATIENCE_S):
            pass

    assert not tried.is_set()


def changed(url: str, part: str, other: str) -> str:
    split = urlsplit(url)
    if part in {"scheme", "path"}:
        return split._replace(**{part: other}).geturl()
    words = {"user": split.username, "password": split.password, part: other}
    netloc = f"{words['user']}:{words['password']}@{split.hostname}:{split.port}"
    return split._replace(netloc=netloc).geturl()


@pytest.fixture
async def powerless(url: str, asking: asyncpg.Connection[asyncpg.Record]) -> AsyncGenerator[str]:
    """Name the database for a user who may log in and nothing else."""
    user, password = f"powerless_{uuid.uuid4().hex}", secrets.token_hex()
    await asking.execute(f"create role {user} login password '{password}'")
    yield changed(changed(url, "password", password), "user", user)
    await asking.execute(f"drop role {user}")


async def test_a_user_who_may_not_make_the_tables_ends_the_start_at_once(powerless: str) -> None:
    with tries() as tried, pytest.raises(Misconfigured, match=r"permission denied.*grant"):
        async with store.opened(powerless, "test", patience_s=PATIENCE_S):
            pass

    assert not tried.is_set()


def test_a_sink_that_waits_for_postgresql_says_so_and_goes_on_in_one_process(stack: Stack) -> None:
    url = stack.values["DATABASE_URL"]
    with nobody_listening() as port:
        with replica(stack, "sink", DATABASE_URL=at(url, port)) as one:
            began = time.monotonic()
            eventually(lambda: one.has_said("stamina.retry_scheduled") >= RETRIES, READY_LIMIT_S)
            took_s = time.monotonic() - began
            ready, live = one.says(), one.says("/live")
            with Proxy(port, port_of(url)).listening():
                eventually(one.is_ready, READY_LIMIT_S)

    assert took_s >= RETRIES_TAKE_S, one.log()
    assert ready["status"] == "starting"
    assert "trying again: PostgreSQL: ConnectionRefusedError" in ready["reasons"][0]
    assert live["status"] == "live"


def test_a_sink_that_waits_for_postgresql_ends_when_it_is_told_to(stack: Stack) -> None:
    with nobody_listening() as port:
        with replica(stack, "sink", DATABASE_URL=at(stack.values["DATABASE_URL"], port)) as one:
            eventually(lambda: one.has_said("stamina.retry_scheduled"), READY_LIMIT_S)
            one.send(signal.SIGTERM)
            code, took_s = one.end()

    assert code == 0, one.log()
    assert took_s < DRAIN_LIMIT_S / 2
    assert one.has_said("stopped while it was starting")


def test_a_sink_with_a_wrong_password_ends_with_a_sentence(stack: Stack) -> None:
    url = changed(stack.values["DATABASE_URL"], "password", "wrong")
    with replica(stack, "sink", DATABASE_URL=url) as one:
        code, _ = one.end(READY_LIMIT_S)

    assert code == 1
    assert "a setting is wrong: DATABASE_URL: password authentication failed" in one.log()
    assert "Traceback" not in one.log()
