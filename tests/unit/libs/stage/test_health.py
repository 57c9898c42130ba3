"""What a stage says of itself, over the in-memory twin of Kafka."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httptools
import msgspec
import pytest
import stamina

from libs.errors import Unavailable
from libs.kafka.memory import MemoryBroker
from libs.stage import Health, HealthSettings, until_available, watchdog
from libs.stage.run import Stop

SHORT = HealthSettings(answer_limit_s=0.2)


@pytest.fixture
async def stop() -> Stop:
    stop = Stop()
    # Nobody breaks the test off.
    stop.begun()
    return stop


async def until_status(health: Health, status: str) -> list[str]:
    async with asyncio.timeout(5):
        while health.ready().status != status:  # noqa: ASYNC110  (there is nobody to tell us)
            await asyncio.sleep(0.01)
    return health.ready().reasons


async def away() -> None:
    raise Unavailable("connection refused")


async def there() -> None:
    return


async def test_a_stage_is_starting_until_it_reads(stop: Stop) -> None:
    health, broker = Health(SHORT, stop), MemoryBroker()
    async with health.kept():
        assert health.ready().status == "starting"
        async with broker.consumer("t", group="g") as consumer, health.reading(consumer):
            assert health.ready().is_good


async def test_a_member_without_partitions_stands_by_and_is_ready(stop: Stop) -> None:
    health, broker = Health(SHORT, stop), MemoryBroker(partitions=1)
    async with (
        health.kept(),
        broker.consumer("t", group="g"),
        broker.consumer("t", group="g") as second,
        health.reading(second),
    ):
        assert health.ready().status == "standby"
        assert health.ready().is_good


async def test_a_stage_that_drains_is_not_ready_and_still_alive(stop: Stop) -> None:
    health, broker = Health(SHORT, stop), MemoryBroker()
    async with (
        health.kept(),
        broker.consumer("t", group="g") as consumer,
        health.reading(consumer),
    ):
        stop.set()

        assert health.ready().status == "draining"
        assert not health.ready().is_good
        assert health.live().is_good


async def test_an_outage_is_named_costs_no_life_and_passes(stop: Stop) -> None:
    health, broker = Health(SHORT, stop), MemoryBroker()
    async with (
        health.kept(),
        broker.consumer("t", group="g") as consumer,
        health.reading(consumer),
    ):
        await consumer.poll()
        broker.is_away = True
        (reason,) = await until_status(health, "not ready")
        assert reason.startswith("Kafka has not answered for")
        assert health.live().is_good
        broker.is_away = False
        await until_status(health, "ready")


async def test_a_dependency_that_never_answered_is_named(stop: Stop) -> None:
    health = Health(SHORT, stop)
    health.depends_on("PostgreSQL", away)
    health.depends_on("Kafka", there)
    health.started()
    async with health.kept():
        async with asyncio.timeout(5):
            while len(health.ready().reasons) != 1:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

        reason = "PostgreSQL has not answered yet: connection refused"
        assert health.ready().reasons == [reason]


async def test_a_need_that_is_not_met_is_a_reason(stop: Stop) -> None:
    def check() -> None:
        raise Unavailable("the door's buffer is full")

    health = Health(SHORT, stop)
    health.needs(check)
    health.started()

    assert health.ready().reasons == ["the door's buffer is full"]


async def test_what_is_tried_again_is_a_reason(stop: Stop) -> None:
    health = Health(SHORT, stop)
    health.started()
    async with health.kept():
        async for attempt in stamina.retry_context(on=Unavailable, wait_initial=0.01, attempts=2):
            with attempt:
                if attempt.num == 1:
                    await away()

        assert health.ready().reasons == ["trying again: connection refused"]


@pytest.mark.parametrize("gets_on", [True, False], ids=("it gets on", "it does not"))
async def test_one_long_poll_is_alive_as_long_as_its_work_gets_on(
    stop: Stop, monkeypatch: pytest.MonkeyPatch, gets_on: bool
) -> None:
    said: list[str] = []
    monkeypatch.setattr("libs.stage.health._LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(watchdog, "end_process", lambda *_, reason, **__: said.append(reason))
    broker = MemoryBroker()
    health = Health(HealthSettings(progress_limit_s=0.6), stop)
    async with (
        health.kept(),
        broker.consumer("t", group="g") as consumer,
        health.reading(consumer),
    ):
        await consumer.poll()
        for _ in range(75):
            await asyncio.sleep(0.02)
            if gets_on:
                await until_available(lambda _attempt: there())

    assert bool(said) is not gets_on, said


async def test_an_error_of_the_watch_ends_the_stage(stop: Stop) -> None:
    async def broken() -> None:
        raise ZeroDivisionError

    health = Health(SHORT, stop)
    health.depends_on("Kafka", broken)
    with pytest.raises(ZeroDivisionError):
        async with health.kept():
            await asyncio.wait_for(stop.wait(), 5)


async def test_it_answers_on_a_socket_and_takes_the_place_of_one_that_was_killed(
    stop: Stop, tmp_path: Path
) -> None:
    path = tmp_path / "s.sock"
    path.touch()
    health = Health(HealthSettings(socket=str(path)), stop)
    health.depends_on("Kafka", away)
    async with health.kept():
        assert path.stat().st_mode & 0o777 == 0o600
        assert await ask(path, "/live") == (200, {"status": "live", "reasons": []})
        status, said = await ask(path, "/ready")
        assert (status, said["status"]) == (503, "starting")
        assert "Kafka has not answered yet" in said["reasons"][0]
    assert not path.exists()


async def test_a_port_that_is_taken_is_named(stop: Stop) -> None:
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    health = Health(HealthSettings(port=port), stop)
    async with server:
        with pytest.raises(Unavailable, match=str(port)):
            async with health.kept():
                pass


async def ask(path: Path, target: str) -> tuple[int, dict[str, list[str]]]:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    body = await reader.read()
    writer.close()
    parser = httptools.HttpResponseParser(None)
    parser.feed_data(head)
    return parser.get_status_code(), msgspec.json.decode(body)
