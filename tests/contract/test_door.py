"""The door as a process of its own, in front of a mock Kafka: bad input, overload, drain."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from libs.errors import Unavailable
from libs.events import RawBatch, decode
from services.topology import INGEST, PARTITIONS
from tests.door import KEY, READY_LIMIT_S, SecondDoor, running_door
from tests.mock_kafka import PRODUCE, MockKafka, mock_kafka
from tests.overload import closed_loop, open_loop
from tests.stack import eventually, http
from tools.load.client import Client

pytestmark = pytest.mark.timeout(120)

EVENT = {"name": "probe", "value": 1}
BODY = json.dumps(EVENT).encode()
HEADERS = {"Api-Key": KEY, "Content-Type": "application/json", "Host": "door"}
# What a drain may take, all its steps at their limits.
DRAIN_LIMIT_S = 15.0
ANSWER_LIMIT_S = 10.0


@pytest.fixture
def mock() -> Iterator[MockKafka]:
    with mock_kafka(PARTITIONS, INGEST.writes) as made:
        yield made


@contextmanager
def door_before(mock: MockKafka, tmp_path: Path, **settings: object) -> Iterator[SecondDoor]:
    log = tmp_path / "door.log"
    with running_door(mock.bootstrap_servers, log, OTEL_SDK_DISABLED="true", **settings) as door:
        eventually(door.is_ready, READY_LIMIT_S)
        yield door


def head(**others: str | None) -> bytes:
    """Write the head of a POST; a header given as `None` is left out."""
    given = {**HEADERS, **{name.replace("_", "-"): text for name, text in others.items()}}
    lines = "".join(f"{name}: {text}\r\n" for name, text in given.items() if text is not None)
    return f"POST /v1/events HTTP/1.1\r\n{lines}\r\n".encode()


def talk(door: SecondDoor, *sent: bytes, until: bytes = b"", pause_s: float = 0.0) -> bytes:
    """Send, and read what comes until `until`, or until the end of the connection."""
    with socket.create_connection(("127.0.0.1", door.port), timeout=ANSWER_LIMIT_S) as connection:
        for part in sent:
            connection.sendall(part)
            time.sleep(pause_s)
        got = b""
        while part := connection.recv(65_536):
            got += part
            if until and until in got:
                break
        return got


def status(answer: bytes) -> int:
    return int(answer.split()[1])


def stored(mock: MockKafka) -> list[str]:
    """The names of all events that are in the log."""
    return asyncio.run(_stored(mock))


async def _stored(mock: MockKafka) -> list[str]:
    client = AIOKafkaConsumer(
        bootstrap_servers=mock.bootstrap_servers, auto_offset_reset="earliest"
    )
    await client.start()
    try:
        partitions = [TopicPartition(INGEST.writes, number) for number in range(PARTITIONS)]
        client.assign(partitions)
        ends = await client.end_offsets(partitions)
        names: list[str] = []
        async with asyncio.timeout(ANSWER_LIMIT_S):
            for partition, end in ends.items():
                while await client.position(partition) < end:
                    got = await client.getmany(partition, timeout_ms=200)
                    for record in (record for batch in got.values() for record in batch):
                        names += [event.name for event in decode(RawBatch, record.value).events]
        return names
    finally:
        await client.stop()


def test_nothing_of_a_broken_body_is_kept(mock: MockKafka, tmp_path: Path) -> None:
    """A body that never ends, one that is coded, one that is too long: each has its answer."""
    body = json.dumps(EVENT).encode()
    coded = {"Content_Encoding": "gzip", "Content_Length": "10"}
    with door_before(mock, tmp_path, INGEST_BODY_BYTES_MAX=10_000) as door:
        # The client leaves in the middle.
        with socket.create_connection(("127.0.0.1", door.port)) as connection:
            connection.sendall(head(Content_Length="100") + body)
        # A truncated member, and two of them: nothing that is coded is read at all.
        truncated = talk(door, head(**coded) + b"\x1f\x8b\x08" + b"\0" * 7, until=b"}")
        twice = talk(
            door, head(**{**coded, "Content_Encoding": "gzip, gzip"}) + b"x" * 10, until=b"}"
        )
        declared = talk(door, head(Content_Length="335544330"), until=b"}")
        chunk = b"2710\r\n" + b" " * 10_000 + b"\r\n"
        endless = [head(Transfer_Encoding="chunked"), *[chunk] * 1_000]
        counted = talk(door, *endless, until=b"}")
        accepted = door.post({**EVENT, "name": "after"})

        assert accepted.status == 202
        assert stored(mock) == ["after"]
    assert [status(one) for one in (truncated, twice, declared, counted)] == [415, 415, 413, 413]


@pytest.mark.parametrize(
    ("others", "answer"),
    [
        ({"Content_Length": "2", "Api_Key": "wrong"}, 401),
        ({"Content_Length": "99999999"}, 413),
        ({"Content_Length": "15"}, 100),
    ],
)
def test_who_asks_before_it_sends_hears_a_refusal_first(
    mock: MockKafka, tmp_path: Path, others: dict[str, str], answer: int
) -> None:
    with door_before(mock, tmp_path) as door:
        got = talk(door, head(Expect="100-continue", **others), until=b"\r\n\r\n")

    assert status(got) == answer


def test_a_slow_body_is_408_and_health_is_answered_meanwhile(
    mock: MockKafka, tmp_path: Path
) -> None:
    with door_before(mock, tmp_path, INGEST_BODY_TIMEOUT_S=1) as door:
        slow = talk(door, head(Content_Length="100"), *[b" "] * 15, until=b"}", pause_s=0.1)

        assert http("GET", f"{door.url}/ready").status == 200
    assert status(slow) == 408


def test_each_tenant_has_its_own_quota_and_is_told_when_to_come_back(
    mock: MockKafka, tmp_path: Path
) -> None:
    keys = {"INGEST_API_KEYS": f"default={KEY},other=key-of-the-other"}
    limits = {"INGEST_TENANT_EVENTS_PER_S_MAX": 1, "INGEST_TENANT_BURST_S": 5}
    with door_before(mock, tmp_path, **keys, **limits) as door:
        first, second = door.post([EVENT] * 20), door.post(EVENT)
        other = door.post(EVENT, **{"Api-Key": "key-of-the-other"})

    assert (first.status, second.status, other.status) == (202, 429, 202)
    assert 10 <= int(second.headers["retry-after"]) <= 16


def test_an_error_of_the_broker_costs_a_new_producer_and_no_answer(
    mock: MockKafka, tmp_path: Path
) -> None:
    out_of_order = 45
    with door_before(mock, tmp_path) as door:
        assert door.post(EVENT).status == 202
        mock.fail(PRODUCE, out_of_order)

        answers = [door.post({**EVENT, "name": f"n{number}"}).status for number in range(5)]

        assert answers == [202] * 5
        assert sorted(stored(mock)) == sorted(["probe", *(f"n{number}" for number in range(5))])
    assert "replacing the producer" in (tmp_path / "door.log").read_text()


async def load(door: SecondDoor, stop: asyncio.Event, outcomes: Counter[str]) -> None:
    """Send one request after the other, and end as told: by a 503, or by a closed port."""
    client = Client(door.url, "/v1/events", {k: v for k, v in HEADERS.items() if k != "Host"})
    number = 0
    while not stop.is_set():
        number += 1
        body = json.dumps({**EVENT, "name": f"n{id(client)}-{number}"}).encode()
        try:
            answer = await client.post(body, ANSWER_LIMIT_S)
        except Unavailable as error:
            refused = isinstance(error.__cause__, ConnectionRefusedError)
            outcomes["refused" if refused else "unknown"] += 1
            stop.set()
        else:
            outcomes[str(answer.status)] += 1
            if answer.status == 503:
                stop.set()
    client.close()


def test_told_to_stop_under_load_it_answers_everybody_and_ends_well(
    mock: MockKafka, tmp_path: Path
) -> None:
    async def drive(door: SecondDoor) -> tuple[Counter[str], float]:
        outcomes, stops = Counter[str](), [asyncio.Event() for _ in range(16)]
        loads = [asyncio.create_task(load(door, stop, outcomes)) for stop in stops]
        await asyncio.sleep(2.0)
        door.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        await asyncio.sleep(0.3)
        notice = await asyncio.to_thread(http, "GET", f"{door.url}/ready")
        assert (notice.status, notice.headers["connection"]) == (503, "close")
        await asyncio.wait_for(asyncio.to_thread(door.process.wait), DRAIN_LIMIT_S)
        took_s = time.monotonic() - began
        await asyncio.gather(*loads)
        return outcomes, took_s

    with door_before(mock, tmp_path) as door:
        outcomes, took_s = asyncio.run(drive(door))

        assert door.process.returncode == 0
        assert outcomes["unknown"] == 0, outcomes
        assert outcomes["202"] > 500, outcomes
        assert took_s < DRAIN_LIMIT_S
        names = stored(mock)
    assert len(names) == len(set(names)) == outcomes["202"]


def test_told_to_stop_without_a_broker_it_answers_503_and_ends_in_time(
    mock: MockKafka, tmp_path: Path
) -> None:
    with door_before(mock, tmp_path, INGEST_ACK_TIMEOUT_S=60) as door:
        assert door.post(EVENT).status == 202
        mock.down()
        sent = head(Content_Length=str(len(BODY))) + BODY
        with socket.create_connection(("127.0.0.1", door.port), timeout=30) as waiting:
            waiting.sendall(sent)
            time.sleep(0.5)
            door.process.send_signal(signal.SIGTERM)
            began = time.monotonic()
            answer = waiting.recv(65_536)
        door.process.wait(DRAIN_LIMIT_S)

        assert time.monotonic() - began < DRAIN_LIMIT_S
        assert door.process.returncode == 0
    assert status(answer) == 503
    assert b"connection: close" in answer
    assert b"retry-after" in answer


def test_a_second_signal_ends_it_at_once(mock: MockKafka, tmp_path: Path) -> None:
    with door_before(mock, tmp_path, INGEST_ACK_TIMEOUT_S=60) as door:
        mock.down()
        with socket.create_connection(("127.0.0.1", door.port)) as waiting:
            waiting.sendall(head(Content_Length=str(len(BODY))) + BODY)
            time.sleep(0.3)
            door.process.send_signal(signal.SIGTERM)
            with pytest.raises(subprocess.TimeoutExpired):
                door.process.wait(1.0)
            door.process.send_signal(signal.SIGTERM)
            door.process.wait(2.0)

        assert door.process.returncode not in (0, 1)


BATCH = 2_000


def test_ten_times_too_much_keeps_memory_flat_and_answers_quick(
    mock: MockKafka, tmp_path: Path
) -> None:
    """Open loop: a request is sent at its time, whatever became of those before it."""
    body = json.dumps([{**EVENT, "attributes": {"entity": "checkout"}}] * BATCH).encode()
    limits = {
        "INGEST_CONNECTIONS_MAX": 128,
        "INGEST_REQUESTS_IN_FLIGHT_MAX": 32,
        "INGEST_BUFFERED_BYTES_MAX": 8_000_000,
    }
    with door_before(mock, tmp_path, **limits) as door:
        capacity = asyncio.run(closed_loop(door, body, for_s=2.0))
        measured = asyncio.run(open_loop(door, body, 10 * capacity, for_s=6.0))

        eventually(lambda: door.post(EVENT).status == 202)
    print(f"capacity {capacity:.0f} requests a second of {BATCH} events: {measured}")  # noqa: T201
    assert set(measured.statuses) <= {202, 503}, measured
    assert measured.statuses[503] > measured.statuses[202] > 0, measured
    assert measured.unknown == 0, measured
    assert measured.accepted_p99_s < 3.0, measured
    assert measured.health_worst_s < 1.0, measured
    assert measured.rss_growth_bytes < 60_000_000, measured
