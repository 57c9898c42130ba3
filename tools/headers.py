"""`ttg headers`: the newest records of a topic with what they carry, as kcat prints them."""

from __future__ import annotations

import asyncio
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from libs.errors import Rejected, Unavailable
from libs.kafka import Record, tail
from services.topology import DEAD_LETTER_TOPICS, TOPICS
from tools.env import load
from tools.errors import OperatorError

VALUE_CHARS_MAX = 160
COUNT_MAX = 10_000


def headers(
    topic: str,
    *,
    count: Annotated[int, Parameter(validator=Number(gte=1, lte=COUNT_MAX))] = 10,
) -> None:
    """Print the newest records of a topic with their headers, oldest first.

    Examples::

        ttg headers events.normalized
        ttg headers events.raw.dlq --count 50

    Parameters
    ----------
    topic
        One of the pipeline's topics, or any other.
    count
        How many records.
    """
    servers = load().kafka_bootstrap_servers
    try:
        records = asyncio.run(tail.newest(servers, topic, count))
    except Rejected as error:
        known = ", ".join((*TOPICS, *DEAD_LETTER_TOPICS))
        raise OperatorError(f"{error.reason}; the pipeline has {known}.") from error
    except Unavailable as error:
        raise OperatorError(f"{error}; see `make ps` and `make logs STAGE=kafka`.") from error
    for record in records:
        print(line(record))  # noqa: T201
    if not records:
        print(f"{topic} holds no records.")  # noqa: T201


def line(record: Record) -> str:
    """Write one record: where it is, its headers, and the beginning of its value."""
    where = f"{record.topic} [{record.partition}] at offset {record.offset}"
    pairs = ",".join(f"{name}={_text(value)}" for name, value in record.headers)
    value = "(no value)" if record.value is None else _text(record.value)
    cut = value if len(value) <= VALUE_CHARS_MAX else value[:VALUE_CHARS_MAX] + "…"
    return f"{where}: {pairs}\n    {cut}"


def _text(value: bytes | None) -> str:
    """Write bytes so that a terminal shows them and obeys none of them."""
    text = (value or b"").decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
