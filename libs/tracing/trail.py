"""The `ttg-trail` header: which way a record came, stage by stage, as short text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

# A trail longer than this was not made by this pipeline, which has four stages.
TRAIL_STOPS_MAX = 32

# Stage, replica, host, what was read, a moment, and from each moment to the next one.
_PLACE = r"[a-z]{1,32}/[0-9]{1,5}/[0-9a-f]{0,12}"
_MOMENTS = r"[0-9]{1,16}[+-][0-9]{1,16}[+-][0-9]{1,16}[+-][0-9]{1,16}"
_FIRST = rf"{_PLACE}/[^/;]{{0,280}}/{_MOMENTS}"
_LATER = rf"{_PLACE}/[^/;]{{1,250}}-[0-9]{{1,9}}-[0-9]{{1,19}}/{_MOMENTS}"
_TRAIL = re.compile(rf"{_FIRST}(?:;{_LATER}){{0,{TRAIL_STOPS_MAX - 1}}}")
_NUMBERS = re.compile(r"[+-]?[0-9]+")


@dataclass(frozen=True, slots=True)
class Stop:
    """One stage that a record passed, and its moments there (µs since the epoch).

    `read` is the `topic-partition-offset` it came from. At the door that is empty, and the moments
    are those of the first request in the record: received, received, record opened, handed over.
    """

    stage: str
    replica: int
    host: str
    read: str
    appended_us: int
    polled_us: int
    started_us: int
    handed_us: int

    @property
    def instance(self) -> str:
        """How Kafka's own tools and the resource of its spans name the replica."""
        return f"{self.stage}-{self.replica}"

    @property
    def position(self) -> tuple[str, int, int]:
        """Topic, partition and offset of what was read; only of a stop that read something."""
        topic, partition, offset = self.read.rsplit("-", 2)
        return topic, int(partition), int(offset)


@dataclass(frozen=True)
class Trail:
    """The stops so far, as the text that travels: most records need no more of it than the last.

    The text is empty or well-formed.
    """

    text: str = ""

    def __bool__(self) -> bool:
        return bool(self.text)

    @property
    def handed_us(self) -> int:
        """When the last stage handed the record over; 0 if there is none."""
        return sum(_moments(self.text.rpartition("/")[2])) if self.text else 0

    @cached_property
    def stops(self) -> list[Stop]:
        """The stops, the door first."""
        return [_stop(*part.split("/")) for part in self.text.split(";")] if self.text else []

    @property
    def is_ours(self) -> bool:
        """Whether it tells the whole way, from our door."""
        return bool(self.stops) and not self.stops[0].read

    def then(self, stop: Stop) -> Trail:
        """The trail with one more stop."""
        return Trail(f"{self.text};{_written(stop)}" if self.text else _written(stop))


def read_trail(text: str) -> Trail:
    """Read a trail; what is not ours gives an empty one, because it only serves to measure."""
    return Trail(text) if _TRAIL.fullmatch(text) else Trail()


def _written(stop: Stop) -> str:
    """Write a stop: `stage/replica/host/read/appended+polled+started+handed`.

    Each moment but the first is written as the time since the one before it.
    """
    polled = stop.polled_us - stop.appended_us
    started = stop.started_us - stop.polled_us
    handed = stop.handed_us - stop.started_us
    where = f"{stop.stage}/{stop.replica}/{stop.host}/{stop.read}"
    return f"{where}/{stop.appended_us}{polled:+d}{started:+d}{handed:+d}"


def _stop(stage: str, replica: str, host: str, read: str, moments: str) -> Stop:
    return Stop(stage, int(replica), host, read, *accumulate(_moments(moments)))


def _moments(text: str) -> list[int]:
    return [int(number) for number in _NUMBERS.findall(text)]
