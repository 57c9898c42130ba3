"""Programs beside ours, as others have them: producers and a consumer that know only the W3C."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from confluent_kafka import Producer

from libs.tracing import names

Headers = list[tuple[str, str]]
# Says where, into which topic, what, and with which headers.
Write = Callable[[str, str, bytes, Headers], None]

WRITE_LIMIT_S = 20.0
READ_LIMIT_S = 30.0


def by_librdkafka(servers: str, topic: str, value: bytes, headers: Headers) -> None:
    """Write as most languages do, whose clients are made of librdkafka."""
    producer = Producer({"bootstrap.servers": servers})
    producer.produce(topic, value, headers=[(name, text.encode()) for name, text in headers])
    assert producer.flush(WRITE_LIMIT_S) == 0


def by_kcat(servers: str, topic: str, value: bytes, headers: Headers) -> None:
    """Write as somebody at a shell does."""
    said = [word for name, text in headers for word in ("-H", f"{name}={text}")]
    subprocess.run(  # noqa: S603
        [shutil.which("kcat") or "kcat", "-P", "-b", servers, "-t", topic, *said],
        input=value,
        check=True,
        capture_output=True,
        timeout=WRITE_LIMIT_S,
    )


WRITERS = (
    by_librdkafka,
    pytest.param(
        by_kcat, marks=pytest.mark.skipif(not shutil.which("kcat"), reason="kcat is not on PATH")
    ),
)


def read(servers: str, topic: str, trace_id: str) -> dict[str, str]:
    """Read a topic from its start, without a group; give the headers of a trace's record."""
    return asyncio.run(_read(servers, topic, trace_id))


async def _read(servers: str, topic: str, trace_id: str) -> dict[str, str]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(READ_LIMIT_S):
            while True:
                record = await consumer.getone()
                if trace_id in (headers := _text(record)).get(names.TRACEPARENT, ""):
                    return headers
    finally:
        await consumer.stop()


def _text(record: ConsumerRecord[bytes, bytes]) -> dict[str, str]:
    assert len({name for name, _ in record.headers}) == len(record.headers), record.headers
    return {name: value.decode() for name, value in record.headers}
