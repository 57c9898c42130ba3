"""How many batches the producers wrote: read from the heads of the batches in Kafka's own log."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bench.tune.trial import Written

# Version 2 of the format: base offset, length of the rest, leader's epoch, magic, checksum,
# attributes, last offset's delta, two times (ms), producer's id, epoch and sequence, records.
_HEAD = struct.Struct(">qiibIhiqqqhii")
_BEFORE_THE_REST_BYTES = 12
_MAGIC = 2


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch as it is stored, with when the broker appended it."""

    appended_ms: int
    records: int
    size_bytes: int


class Log:
    """The segments of some topics on this machine, from where they ended when this was made."""

    def __init__(self, folder: Path, topics: Iterable[str]) -> None:
        self._folder = folder
        self._topics = tuple(topics)
        self._begun = {path: path.stat().st_size for _, path in self._segments()}

    def written(self, since_s: float, until_s: float) -> dict[str, Written]:
        """Return what was appended between two moments (s since the epoch), by topic."""
        found: defaultdict[str, list[Batch]] = defaultdict(list)
        for topic, path in self._segments():
            with path.open("rb") as segment:
                segment.seek(self._begun.get(path, 0))
                found[topic] += [
                    batch
                    for batch in batches(segment)
                    if since_s * 1e3 <= batch.appended_ms < until_s * 1e3
                ]
        return {topic: _a_second(found[topic], until_s - since_s) for topic in self._topics}

    def _segments(self) -> Iterator[tuple[str, Path]]:
        for topic in self._topics:
            for path in sorted(self._folder.glob(f"{topic}-[0-9]*/*.log")):
                yield topic, path


def batches(segment: IO[bytes]) -> Iterator[Batch]:
    """Read heads from here to the end; the last batch may be half written."""
    while len(head := segment.read(_HEAD.size)) == _HEAD.size:
        fields = _HEAD.unpack(head)
        length, magic = fields[1], fields[3]
        if magic != _MAGIC or length < _HEAD.size - _BEFORE_THE_REST_BYTES:
            return
        yield Batch(fields[8], fields[12], length + _BEFORE_THE_REST_BYTES)
        segment.seek(length + _BEFORE_THE_REST_BYTES - _HEAD.size, 1)


def _a_second(found: list[Batch], seconds: float) -> Written:
    return Written(
        batches_per_s=len(found) / seconds,
        records_per_s=sum(batch.records for batch in found) / seconds,
        bytes_per_s=sum(batch.size_bytes for batch in found) / seconds,
    )
