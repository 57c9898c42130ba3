from __future__ import annotations

import time
from uuid import UUID

from services.ingest.ids import Ids


def test_an_id_is_a_version_7_uuid_of_this_moment() -> None:
    before_ms = time.time_ns() // 1_000_000
    text = Ids().new()
    made = UUID(text)

    assert str(made) == text
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert before_ms <= made.int >> 80 <= time.time_ns() // 1_000_000


def test_ids_ascend_and_differ() -> None:
    ids = Ids()
    made = [ids.new() for _ in range(10_000)]

    assert made == sorted(set(made))


def test_two_processes_do_not_make_the_same_ids() -> None:
    one, other = Ids(), Ids()

    assert {one.new() for _ in range(1_000)}.isdisjoint(other.new() for _ in range(1_000))
