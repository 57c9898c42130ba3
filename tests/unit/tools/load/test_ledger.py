"""The ledger of a load: a line for each event, and what its outcome means."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from libs.errors import Unavailable
from tools.load.client import Answer
from tools.load.ledger import Ledger
from tools.load.plan import Plan
from tools.load.sender import Sender

ACCEPTED = Answer(202, b'{"accepted":2,"trace_id":"ab","sampled":true}')
BUSY, AWAY, REFUSED = Answer(429, b"busy"), Answer(503, b"away"), Answer(422, b"no")


class Door:
    """Gives its answers in turn, the last one again and again; `None` is a reset."""

    def __init__(self, *answers: Answer | None) -> None:
        self.answers = [*answers]
        self.bodies: list[bytes] = []
        self.keys: list[str] = []

    async def post(self, body: bytes, timeout_s: float, ordering_key: str = "") -> Answer:
        self.bodies.append(body)
        self.keys.append(ordering_key)
        await asyncio.sleep(0)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            raise Unavailable("reset")
        return answer


async def sent(door: Door, plan: Plan, path: Path, retry_s: float = 0.2) -> list[dict[str, Any]]:
    with Ledger(path, plan, "default") as ledger:
        await Sender(door, plan, retry_s, ledger).run(asyncio.Event())  # type: ignore[arg-type]
    return written(path)


def written(path: Path) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


async def test_every_event_has_a_line_between_the_head_and_the_end(path: Path) -> None:
    plan = Plan.of(1_000, 0.006, 2)
    head, *lines, end = await sent(Door(ACCEPTED), plan, path)

    assert head["run_id"] == str(plan.run_id)
    assert end["events"] == len(lines) == plan.events
    assert [line["event_id"] for line in lines] == [plan.event_id(n) for n in range(plan.events)]
    assert {line["outcome"] for line in lines} == {"acked"}
    assert all(line["due_us"] <= line["sent_us"] <= line["answered_us"] for line in lines)
    for line in lines:
        encoded = msgspec.json.encode(line["sent"], order="sorted")
        assert line["sha256"] == hashlib.sha256(encoded).hexdigest()


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ((ACCEPTED,), "acked"),
        ((None, ACCEPTED), "acked"),
        ((AWAY, ACCEPTED), "acked"),
        ((REFUSED,), "rejected"),
        ((BUSY,), "rejected"),
        ((AWAY,), "unknown"),
        ((None,), "unknown"),
        # What came of the first try is not known, whatever the last one said.
        ((None, BUSY), "unknown"),
        ((AWAY, REFUSED), "unknown"),
    ],
)
async def test_an_outcome_says_no_more_than_is_known(
    answers: tuple[Answer | None, ...], outcome: str, path: Path
) -> None:
    _, *lines, _ = await sent(Door(*answers), Plan.of(1_000, 0.002, 2), path)

    assert [line["outcome"] for line in lines] == [outcome] * 2


async def test_requests_of_a_key_wait_for_each_other_and_count_on(path: Path) -> None:
    door = Door(None, ACCEPTED)
    plan = Plan.of(10_000, 0.0012, 2, keys=2)
    _, *lines, _ = await sent(door, plan, path)

    # The first of key-0 got no answer: no other request of the key goes out before it is sent
    # again, while those of the other key go on.
    mine = [body for body, key in zip(door.bodies, door.keys, strict=True) if key == "key-0"]
    assert mine == [plan.body(0), plan.body(0), plan.body(2), plan.body(4)]
    of_key = [line for line in lines if line["key"] == "key-0"]
    assert [line["sequence"] for line in of_key] == [0, 1, 2, 3, 4, 5]


def test_poison_is_drawn_once_and_for_all() -> None:
    plan = Plan.of(1_000, 1, 100, poison=0.1)

    poisoned = sum(event["unit"] == "PiB" for r in range(plan.requests) for event in plan.sent(r))
    assert 50 < poisoned < 200
    assert plan.sent(3) == plan.sent(3)
