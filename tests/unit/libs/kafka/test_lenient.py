"""Batches that aiokafka cannot read to their end, read to their end."""

from __future__ import annotations

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from libs.kafka.lenient import LenientRecords

NO_CODEC = 0


def batch(*names: str, first: bytes = b"v") -> bytes:
    """A batch of records with one header each; the `?` of `bad?` becomes a byte that is no text."""
    builder = DefaultRecordBatchBuilder(2, NO_CODEC, 0, -1, -1, -1, 1_000_000)
    for offset, name in enumerate(names):
        builder.append(
            offset, timestamp=1, key=None, value=first + b"%d" % offset, headers=[(name, b"x")]
        )
    return bytes(builder.build()).replace(b"bad?", b"bad\xff")


def read(raw: bytes) -> list[tuple[bytes, list[tuple[str, bytes]]]]:
    records = LenientRecords(raw)
    found: list[tuple[bytes, list[tuple[str, bytes]]]] = []
    while records.has_next():
        found += [(one.value, one.headers) for one in records.next_batch()]
    return found


def test_aiokafka_itself_cannot_read_them() -> None:
    strict = MemoryRecords(batch("ok", "bad?")).next_batch()
    assert strict is not None

    with pytest.raises(UnicodeDecodeError):
        list(strict)


def test_the_records_before_it_and_behind_it_come_once_and_in_order() -> None:
    raw = batch("ok", "bad?", "bad?", "ok")

    assert read(raw) == [
        (b"v0", [("ok", b"x")]),
        (b"v1", [("bad\\xff", b"x")]),
        (b"v2", [("bad\\xff", b"x")]),
        (b"v3", [("ok", b"x")]),
    ]


def test_of_several_batches_the_right_one_is_read_again() -> None:
    raw = batch("ok", first=b"a") + batch("bad?", "ok", first=b"b") + batch("ok", first=b"c")

    assert [value for value, _ in read(raw)] == [b"a0", b"b0", b"b1", b"c0"]


def test_what_the_fetcher_asks_of_a_batch_is_that_of_aiokafkas_own() -> None:
    raw = batch("ok", "ok")
    records, strict = LenientRecords(raw), MemoryRecords(raw).next_batch()
    assert strict is not None

    lenient = records.next_batch()

    assert records.size_in_bytes() == len(raw)
    assert not records.has_next()
    for name in ("base_offset", "next_offset", "is_control_batch", "is_transactional"):
        assert getattr(lenient, name) == getattr(strict, name)
    assert lenient.validate_crc()
