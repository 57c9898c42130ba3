# pyright: basic
"""Header names that are not UTF-8: Kafka keeps them, and aiokafka cannot read a batch with one.

It would raise at the same record at each poll. Here the batch is read again by aiokafka's own
Python code, with the name spelt out (`bad\\xff`); the value and the rest are as they were written.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice

from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

# The offset of the first record, then the length of what follows.
_HEAD = struct.Struct(">qi")


class LenientRecords:
    """Stands in for aiokafka's `MemoryRecords`: the batches of one fetch."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._strict = MemoryRecords(raw)
        self._batches = 0

    def size_in_bytes(self) -> int:
        return self._strict.size_in_bytes()

    def has_next(self) -> bool:
        return self._strict.has_next()

    def next_batch(self) -> LenientBatch:
        again = partial(_read_leniently, self._raw, self._batches)
        self._batches += 1
        return LenientBatch(self._strict.next_batch(), again)


class LenientBatch:
    """A batch that goes on where aiokafka's own cannot."""

    def __init__(self, strict, again: Callable[[], Iterator]) -> None:
        self._strict = strict
        self._again = again

    def __getattr__(self, name: str):
        return getattr(self._strict, name)

    def __next__(self):
        return next(self._strict)

    def __iter__(self) -> Iterator:
        done = 0
        try:
            for record in self._strict:
                yield record
                done += 1
        except UnicodeDecodeError:
            yield from islice(self._again(), done, None)


class _Spelt(bytearray):
    """Bytes whose parts can always be read as text."""

    def __getitem__(self, place):
        part = super().__getitem__(place)
        return _Spelt(part) if isinstance(place, slice) else part

    def decode(self, *_encoding) -> str:
        return super().decode("utf-8", "backslashreplace")


def _read_leniently(raw: bytes, place: int) -> Iterator:
    begin = 0
    for _ in range(place):
        begin += _HEAD.size + _HEAD.unpack_from(raw, begin)[1]
    end = begin + _HEAD.size + _HEAD.unpack_from(raw, begin)[1]
    batch = _DefaultRecordBatchPy(raw[begin:end])
    batch._maybe_uncompress()
    batch._buffer = _Spelt(batch._buffer)
    return iter(batch)
