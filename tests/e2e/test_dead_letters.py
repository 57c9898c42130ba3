"""What a stage gives up, and its way back in, as an operator goes it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
import pytest

from libs import kafka
from libs.kafka import KafkaSettings, Outgoing
from libs.tracing import names
from services.topology import NORMALIZE, SINK
from tests.stack import Stack, eventually, roots
from tests.waterfalls import tags, warnings

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1_900)]

# The sink tries a refused transaction again by halves before it gives a row up.
DEAD_LIMIT_S = 20.0


@pytest.fixture
def name() -> str:
    """A name for events of one test alone."""
    return f"probe_{uuid.uuid4().hex}"


@contextmanager
def refused(stack: Stack, name: str) -> Iterator[None]:
    """Let the database refuse events of a name, as a wrong migration does, until it is repaired."""
    constraint = f"no_{name}"
    ask(stack, f"alter table event add constraint {constraint} check (name <> '{name}') not valid")
    try:
        yield
    finally:
        ask(stack, f"alter table event drop constraint {constraint}")


def ask(stack: Stack, statement: str, *arguments: object) -> list[asyncpg.Record]:
    async def asking() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(stack.values["DATABASE_URL"])
        try:
            return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()

    return asyncio.run(asking())


def rows(stack: Stack, event_id: str) -> int:
    return ask(stack, "select count(*) from event where event_id = $1", event_id)[0][0]


def dlq(stack: Stack, *words: str) -> subprocess.CompletedProcess[str]:
    done = stack.ttg("dlq", *words)
    assert done.returncode == 0, done
    return done


def listed(stack: Stack, *words: str) -> list[dict[str, Any]]:
    return json.loads(dlq(stack, "ls", "--json", *words).stdout)


def replayed_as(printed: str) -> str:
    """The new trace that a replay of one letter tells of."""
    (line,) = [line for line in printed.splitlines() if " went to offset " in line]
    return line.rpartition(" ")[2]


def span_of(trace: dict[str, Any] | None, name: str) -> dict[str, Any] | None:
    spans = trace["spans"] if trace else []
    return next((span for span in spans if span["operationName"] == name), None)


def links(span: dict[str, Any]) -> list[tuple[str, str]]:
    """The spans that a span links to, by trace and id."""
    followed = [one for one in span["references"] if one["refType"] == "FOLLOWS_FROM"]
    return [(one["traceID"], one["spanID"]) for one in followed]


def test_what_was_dead_is_stored_once_after_its_replay_and_both_traces_are_linked(
    stack: Stack, name: str
) -> None:
    event_id = str(uuid.uuid4())
    with refused(stack, name):
        old = stack.post({"name": name, "value": 1, "event_id": event_id}).body["trace_id"]
        (group,) = eventually(lambda: listed(stack, "--trace", old), DEAD_LIMIT_S)
    assert (group["stage"], group["letters"], group["stored"]) == (SINK.stage, 1, 0)
    assert group["trace_ids"] == [old]

    dry = dlq(stack, "replay", "--trace", old, "--dry-run").stdout
    assert "would be sent: 1 dead letter" in dry
    assert rows(stack, event_id) == 0

    new = replayed_as(dlq(stack, "replay", "--trace", old).stdout)
    eventually(lambda: stack.events(f"event_id={event_id}"))
    second = dlq(stack, "replay", "--trace", old).stdout
    third = replayed_as(dlq(stack, "replay", "--trace", old, "--again").stdout)
    last = eventually(lambda: stack.trace(third))

    assert "in the store already, and left out without --again: 1 dead letter" in second
    assert rows(stack, event_id) == 1
    assert tags(roots(last)[0])[names.EVENTS_ALREADY_THERE] == 1
    shown = dlq(stack, "show", old).stdout
    assert f"{event_id} of default: in the store, by trace {new}" in shown
    assert f"/trace/{old}" in shown
    assert_linked(stack, old, new)


def assert_linked(stack: Stack, old: str, new: str) -> None:
    """The replay is in the new trace, under its root; each trace links to the other."""
    trace = eventually(lambda: stack.trace(new))
    (root,) = roots(trace)
    begun = span_of(trace, names.REPLAY.format(topic=SINK.reads))
    assert begun is not None
    assert tags(root)[names.EVENTS_STORED] == 1
    assert warnings(trace) == []
    assert [linked for linked, _span in links(begun)] == [old]
    way_on = names.REPLAYED.format(topic=SINK.reads)
    found = eventually(lambda: span_of(stack.trace_now(old), way_on))
    before = stack.trace_now(old)
    assert before is not None
    ways = [links(span) for span in before["spans"] if span["operationName"] == way_on]
    assert found is not None
    assert [(new, begun["spanID"])] in ways


def test_a_record_that_cannot_be_read_is_sent_as_it_is(stack: Stack) -> None:
    marker, old = uuid.uuid4().hex, uuid.uuid4().hex
    context = [("traceparent", f"00-{old}-00f067aa0ba902b7-01".encode()), ("other", b"kept")]
    asyncio.run(write(stack, Outgoing(NORMALIZE.reads, 0, f"broken {marker}".encode(), context)))
    eventually(lambda: listed(stack, "--trace", old))

    new = replayed_as(dlq(stack, "replay", "--trace", old).stdout)

    # The stage cannot read it this time either; so it is there again, with its own trace.
    eventually(lambda: listed(stack, "--trace", new))
    shown = dlq(stack, "show", new).stdout
    assert f"broken {marker}" in shown
    assert "other: kept" in shown
    assert "not JSON" in shown
    trace = eventually(lambda: stack.trace_now(new))
    begun = eventually(lambda: span_of(stack.trace_now(new), "replay events.raw"))
    assert links(begun) == [(old, "00f067aa0ba902b7")]
    assert warnings(trace) == []


async def write(stack: Stack, record: Outgoing) -> None:
    settings = KafkaSettings(bootstrap_servers=stack.kafka_bootstrap_servers)
    async with kafka.producer(settings, "test") as producer:
        await (await producer.send(record))


def test_what_is_not_there_is_said_in_a_sentence(stack: Stack) -> None:
    unknown = uuid.uuid4().hex

    shown = stack.ttg("dlq", "show", unknown)
    assert shown.returncode == 1
    assert shown.stderr.strip().endswith(f"there is no dead letter of {unknown}; see `ttg dlq ls`.")
    assert "There are no such dead letters." in dlq(stack, "ls", "--trace", unknown).stdout
    assert "Nothing to send." in dlq(stack, "replay", "--trace", unknown).stdout


def test_the_sinks_own_table_is_read_too_and_what_was_cut_is_refused(stack: Stack) -> None:
    ask(stack, TABLE)
    offset, trace_id = uuid.uuid4().int >> 66, uuid.uuid4().hex
    headers = {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-00", "dlq.value.bytes": "9000000"}
    ask(
        stack,
        "insert into dead_letter values"
        " ($1, 3, $2, '', 'default', 'sink', 'too large', $3, $4, 'x', now())",
        SINK.reads,
        offset,
        trace_id,
        json.dumps(headers),
    )

    assert f"{SINK.reads} [3] at offset {offset}" in dlq(stack, "show", trace_id).stdout
    again = stack.ttg("dlq", "replay", "--trace", trace_id)
    assert again.returncode == 2
    assert "only the first 1 of its 9,000,000 bytes were kept" in again.stdout


TABLE = """
create table if not exists dead_letter (
    topic text, part int, "offset" bigint, event_id text, tenant text, stage text, reason text,
    trace_id text, headers jsonb, value bytea, dead_at timestamptz,
    primary key (topic, part, "offset", event_id)
)
"""
