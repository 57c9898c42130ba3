"""Stages that are told to end, and stages that cannot work: what they do, and what it costs."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from libs.kafka.admin import admin
from libs.stage import watchdog
from services.topology import PARTITIONS, PIPELINE, TOPICS
from tests.modes import native_only
from tests.replica import (
    BLOCK_LOOP,
    DRAIN_LIMIT_S,
    HANG_FETCH,
    KILL_FETCH,
    Replica,
    ready_replica,
    replica,
)
from tests.stack import Stack, eventually, http, members
from tools.native import settings as native_settings, sockets

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1_900)]

HOPS = tuple(hop.stage for hop in PIPELINE if hop.reads)
REBALANCE_LIMIT_S = 3.0
# Enough for records of the load to be in every stage.
UNDER_LOAD_S = 2.0
OUTAGE_S = 40.0
# A restarted stage starts Python, joins its group and says so.
BACK_LIMIT_S = 30.0

# Counts each row that somebody tried to store, also if it was there already.
_COUNT_TRIES = """
create sequence if not exists tries;
create or replace function count_try() returns trigger language plpgsql as
    'begin perform nextval(''tries''); return new; end';
create or replace trigger count_tries before insert on event
    for each row execute function count_try();
"""


def restarts(stack: Stack) -> dict[str, int]:
    return {p["stage"]: p["restarts"] for p in stack.processes()}


def states(stack: Stack) -> dict[str, str]:
    return {p["stage"]: p["state"] for p in stack.processes()}


def all_ready(stack: Stack) -> bool:
    return set(states(stack).values()) <= {"ready", "standby", "done"}


def stored(stack: Stack) -> str:
    """Send an event and wait until it is seen; a door that refuses for now is asked again."""
    event_id = str(uuid.uuid4())
    event = {"event_id": event_id, "name": "probe", "value": 1}
    eventually(lambda: stack.post(event).status == 202, BACK_LIMIT_S)
    eventually(lambda: stack.events(f"event_id={event_id}"), BACK_LIMIT_S)
    return event_id


@contextmanager
def load(stack: Stack) -> Iterator[Callable[[], None]]:
    """Send events in the background; call what is given to end it and see that all are stored."""
    words = ["--rate", "500", "--duration", "120", "--batch", "10", "--json"]
    with stack.start_ttg("load", *words) as sending:

        def settle() -> None:
            assert sending.poll() is None, "the load was over before the last fault"
            # As Ctrl-C does: what was sent is accounted for.
            sending.send_signal(signal.SIGINT)
            printed, _ = sending.communicate(timeout=120)
            assert sending.returncode == 0, printed

        try:
            yield settle
        finally:
            sending.kill()


async def written(servers: str) -> dict[str, int]:
    """How many records each topic has got so far."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers)
    await consumer.start()
    try:
        places = [TopicPartition(topic, n) for topic in TOPICS for n in range(PARTITIONS)]
        ends = await consumer.end_offsets(places)
    finally:
        await consumer.stop()
    return {t: sum(end for place, end in ends.items() if place.topic == t) for t in TOPICS}


async def tries_and_rows(url: str) -> tuple[int, int]:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_COUNT_TRIES)
        tries: int = await connection.fetchval("select nextval('tries')")
        return tries, await connection.fetchval("select count(*) from event")
    finally:
        await connection.close()


async def forget_tries(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("drop function count_try cascade; drop sequence tries")
    await connection.close()


def test_each_stage_leaves_under_load_in_time_and_nothing_is_done_twice(stack: Stack) -> None:
    """D1: the records of the topics and the tries at the table are counted."""
    servers, url = stack.kafka_bootstrap_servers, stack.values["DATABASE_URL"]
    stored(stack)
    with ExitStack() as started:
        extra = [started.enter_context(ready_replica(stack, stage)) for stage in HOPS]
        records, (tries, rows) = asyncio.run(written(servers)), asyncio.run(tries_and_rows(url))
        started.callback(lambda: asyncio.run(forget_tries(url)))
        settle = started.enter_context(load(stack))
        # By the clock: what is tested is an end in the midst of a load, also after the one before.
        time.sleep(UNDER_LOAD_S)
        ends: list[tuple[int, float]] = []
        for one in extra:
            time.sleep(UNDER_LOAD_S)
            one.send(signal.SIGTERM)
            ends.append(one.end())
        settle()
        records_now = asyncio.run(written(servers))
        tries_now, rows_now = asyncio.run(tries_and_rows(url))

    assert [code for code, _ in ends] == [0, 0, 0], ends
    added = {topic: count - records[topic] for topic, count in records_now.items()}
    assert len(set(added.values())) == 1, added
    assert min(added.values()) > 100
    # One number of the sequence is spent on asking.
    assert tries_now - 1 - tries == rows_now - rows


def test_the_end_of_a_member_during_a_rebalance_is_a_drain(stack: Stack) -> None:
    """D4: of one that has partitions, and of one that is about to get some."""
    with ready_replica(stack, "normalize", number=7) as old:
        with replica(stack, "normalize", number=8) as new:
            eventually(lambda: new.has_said("health"), BACK_LIMIT_S)
            for one in (old, new):
                one.send(signal.SIGTERM)
            ends = [one.end() for one in (old, new)]

    assert [code for code, _ in ends] == [0, 0], f"{ends}\n{old.log()}\n{new.log()}"
    stored(stack)


def test_the_end_before_the_first_assignment_is_an_end(stack: Stack) -> None:
    """D4: Kafka does not answer, so the start does not come to its end."""
    with stack.frozen("kafka"), replica(stack, "sink") as one:
        eventually(lambda: one.has_said("health"), BACK_LIMIT_S)
        assert one.says()["status"] == "starting"
        one.send(signal.SIGTERM)
        code, took_s = one.end()

    assert code == 0, one.log()
    assert took_s < DRAIN_LIMIT_S / 2
    stored(stack)


def test_a_terminal_may_close_and_ctrl_c_is_a_drain(stack: Stack) -> None:
    """D5."""
    with ready_replica(stack, "decorate") as one:
        one.send(signal.SIGHUP)
        # Nothing may happen, and nothing tells when it has not.
        time.sleep(1)
        assert one.is_ready()
        one.send(signal.SIGINT)
        code, _ = one.end()

    assert code == 0, one.log()


def test_a_short_pause_moves_no_partition(stack: Stack) -> None:
    """F07."""
    with ready_replica(stack, "normalize") as one:
        before = one.has_said("partitions assigned")
        one.send(signal.SIGSTOP)
        # The pause is the fault: half of the session's time-out.
        time.sleep(3)
        one.send(signal.SIGCONT)
        # Longer than a heartbeat, by which a member learns of a rebalance.
        time.sleep(2)

        assert one.is_ready()
        assert one.has_said("partitions assigned") == before


@pytest.mark.parametrize(
    ("stage", "illness", "limit_s", "why"),
    [
        ("normalize", BLOCK_LOOP, 10.0, "the event loop stands still"),
        ("normalize", HANG_FETCH, 18.0, "no fetch was answered for 10.0 s, though Kafka answers"),
        ("sink", HANG_FETCH, 18.0, "no fetch was answered for 10.0 s, though Kafka answers"),
    ],
    ids=("blocked loop", "hung fetch in a hop", "hung fetch in the sink"),
)
def test_a_stage_that_cannot_work_ends_and_says_why(
    stack: Stack, stage: str, illness: str, limit_s: float, why: str
) -> None:
    """F11, F14: the stack's own replica takes over."""
    with ready_replica(stack, stage, illness) as one:
        one.send(signal.SIGUSR1)
        code, _ = one.end(limit_s)

    assert code == watchdog.EXIT_NOT_LIVE
    assert why in one.log()
    assert '"stacks":"thread ' in one.log()
    stored(stack)


def test_a_stage_whose_fetch_task_has_died_ends_at_once(stack: Stack) -> None:
    with ready_replica(stack, "sink", KILL_FETCH) as one:
        one.send(signal.SIGUSR1)
        code, _ = one.end(5.0)

    assert code == 1
    assert "the fetch task of the Kafka client has died" in one.log()
    stored(stack)


def stop_and_start(stack: Stack, process: str, method: str, verb: str) -> None:
    settings = native_settings.Settings(stack.state_dir, stack.state_dir, stack.port_base)
    connection = sockets.Connection(sockets.folder(settings) / "api.sock", 40.0)
    connection.request(method, f"/process/{verb}/{process}")
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    connection.close()


@contextmanager
def outage(stack: Stack, process: str) -> Iterator[None]:
    """Stop a process, and start it again after so long at least."""
    stop_and_start(stack, process, "PATCH", "stop")
    began = time.monotonic()
    try:
        yield
        time.sleep(max(0.0, OUTAGE_S - (time.monotonic() - began)))
    finally:
        stop_and_start(stack, process, "POST", "start")


def assert_waits(one: Replica, what: str) -> None:
    eventually(lambda: one.says()["status"] == "not ready")
    assert any(what in reason for reason in one.says()["reasons"])
    assert one.says("/live")["status"] == "live"


@native_only("Native mode's supervisor stops and starts what is away.")
@pytest.mark.parametrize(
    ("process", "name", "waiting"),
    [
        ("kafka", "Kafka", ("ingest", "normalize", "decorate", "sink")),
        ("postgres", "PostgreSQL", ("sink", "glass")),
    ],
    ids=("kafka", "postgres"),
)
def test_an_outage_restarts_nobody_and_ends_in_time_who_is_told_to(
    stack: Stack, process: str, name: str, waiting: tuple[str, ...]
) -> None:
    """F22, F39 in short, and D2."""
    stored(stack)
    before = restarts(stack)
    event_id = str(uuid.uuid4())
    with ready_replica(stack, "sink") as one:
        with outage(stack, process):
            # Also one that holds work: without PostgreSQL the door still takes events.
            stack.post({"event_id": event_id, "name": "probe", "value": 1})
            eventually(lambda: states(stack)[waiting[-1]] == "not ready", BACK_LIMIT_S)
            assert_waits(one, name)
            one.send(signal.SIGTERM)
            code, _ = one.end()
            during = states(stack)
        eventually(lambda: all_ready(stack), BACK_LIMIT_S)
        after = restarts(stack)

    assert code in {0, watchdog.EXIT_UNDRAINED}
    assert {during[stage] for stage in waiting} == {"not ready"}, during
    del before[process], after[process]
    assert after == before
    stored(stack)
    if process == "postgres":
        assert eventually(lambda: stack.events(f"event_id={event_id}"), BACK_LIMIT_S)


class Unrest(threading.Thread):
    """Watches the groups of all stages; remembers for how long each was not stable at most."""

    def __init__(self, servers: str) -> None:
        super().__init__(daemon=True)
        self._servers = servers
        self._over = threading.Event()
        self.longest_s = dict.fromkeys(HOPS, 0.0)

    def run(self) -> None:
        asyncio.run(self._watch())

    def end(self) -> dict[str, float]:
        self._over.set()
        self.join()
        return self.longest_s

    async def _watch(self) -> None:
        calm_s = dict.fromkeys(HOPS, time.monotonic())
        async with admin(self._servers) as kafka:
            while not self._over.is_set():
                for stage, group in (await kafka.groups(HOPS)).items():
                    now_s = time.monotonic()
                    if group.is_stable:
                        calm_s[stage] = now_s
                    unrest_s = now_s - calm_s[stage]
                    self.longest_s[stage] = max(self.longest_s[stage], unrest_s)
                await asyncio.sleep(0.05)


def test_all_stages_are_restarted_one_by_one_under_load(stack: Stack) -> None:
    """D7: a second replica of each is there meanwhile."""
    before = restarts(stack)
    with ExitStack() as started:
        for stage in HOPS:
            started.enter_context(ready_replica(stack, stage))
        unrest = Unrest(stack.kafka_bootstrap_servers)
        settle = started.enter_context(load(stack))
        time.sleep(UNDER_LOAD_S)
        unrest.start()
        for stage in (hop.stage for hop in PIPELINE):
            pid = stack.pids(stage)[0]
            os.kill(pid, signal.SIGTERM)
            eventually(lambda s=stage, p=pid: stack.pids(s).get(0, p) != p, BACK_LIMIT_S)
            eventually(lambda s=stage: states(stack)[s] == "ready", BACK_LIMIT_S)
        longest_s = unrest.end()
        settle()

    after = restarts(stack)
    assert {stage: after[stage] - before[stage] for stage in ("ingest", *HOPS)} == dict.fromkeys(
        ("ingest", *HOPS), 1
    )
    assert all(0 < took_s <= REBALANCE_LIMIT_S for took_s in longest_s.values()), longest_s


@native_only("The supervisor that is killed is native mode's.")
def test_nothing_outlives_a_supervisor_that_is_killed(stack: Stack) -> None:
    """D6: every process of the stack is on the leash, and drains."""
    event_id = stored(stack)
    for process in members(stack.state_dir):
        if "process-compose" in process.name():
            os.kill(process.pid, signal.SIGKILL)
    eventually(lambda: not members(stack.state_dir), DRAIN_LIMIT_S + 5)

    up = stack.ttg("up")
    assert up.returncode == 0, f"{up.stdout}\n{up.stderr}"
    assert http("GET", f"{stack.values['INGEST_URL']}/ready").status == 200
    assert len(stack.events(f"event_id={event_id}")) == 1
