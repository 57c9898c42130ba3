"""Batches counted in segments that are written as Kafka writes them."""

from __future__ import annotations

import io
from pathlib import Path

from aiokafka.record.default_records import DefaultRecordBatchBuilder

from bench.tune.batches import Batch, Log, batches


def batch(records: int, at_ms: int) -> bytes:
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=False,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 20,
    )
    for offset in range(records):
        builder.append(offset, at_ms, None, b"x" * 100, [])
    return bytes(builder.build())


def test_heads_are_read_as_the_client_library_writes_them() -> None:
    first, second = batch(3, 1_000), batch(1, 2_000)

    found = list(batches(io.BytesIO(first + second)))
    assert found == [Batch(1_000, 3, len(first)), Batch(2_000, 1, len(second))]


def test_a_batch_that_is_half_written_ends_the_list() -> None:
    first = batch(3, 1_000)

    assert len(list(batches(io.BytesIO(first + batch(1, 2_000)[:40])))) == 1
    assert not list(batches(io.BytesIO(b"\0" * 4_096)))


def test_what_was_there_before_and_what_is_out_of_the_window_does_not_count(tmp_path: Path) -> None:
    segment = tmp_path / "events.raw-3" / "0.log"
    segment.parent.mkdir()
    segment.write_bytes(batch(5, 10_500))
    dead = tmp_path / "events.raw.dlq-0" / "0.log"
    dead.parent.mkdir()

    log = Log(tmp_path, ["events.raw", "events.normalized"])
    dead.write_bytes(batch(7, 10_500))
    with segment.open("ab") as end:
        end.write(batch(2, 9_999) + batch(3, 10_000) + batch(1, 11_999) + batch(4, 12_000))

    written = log.written(10.0, 12.0)
    assert written["events.raw"].batches_per_s == 1.0
    assert written["events.raw"].records_per_s == 2.0
    assert written["events.raw"].records_per_batch == 2.0
    assert written["events.normalized"].records_per_batch == 0.0
