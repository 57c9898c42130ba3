"""The `ttg-trail` header: which way a record came, stage by stage, as short text."""

from __future__ import annotations

import re
from dataclasses import dataclass

# A trail longer than this was not made by this pipeline, which has four stages.
TRAIL_STOPS_MAX = 32

# Stage, replica, host, what was read, a moment, and from each moment to the next one.
_STOP = re.compile(
    r"([a-z]{1,32})/([0-9]{1,5})/([0-9a-f]{0,12})/([^/;]{0,280})"
    r"/([0-9]{1,16})([+-][0-9]{1,16})([+-][0-9]{1,16})([+-][0-9]{1,16})"
)

_READ = re.compile(r".+-[0-9]{1,9}-[0-9]{1,19}")


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


def format_trail(stops: list[Stop]) -> str:
    """Write a trail: `stage/replica/host/read/appended+polled+started+handed`, joined by `;`.

    Each moment but the first is written as the time since the one before it.
    """
    return ";".join(map(_format_stop, stops))


def parse_trail(text: str) -> list[Stop]:
    """Read a trail; what is not ours gives an empty one, because it only serves to measure."""
    if not text:
        return []
    matches = [_STOP.fullmatch(part) for part in text.split(";", TRAIL_STOPS_MAX)]
    stops = [_stop(match) for match in matches if match]
    is_ours = len(stops) == len(matches) and all(_has_read(stop) for stop in stops[1:])
    return stops if is_ours else []


def _format_stop(stop: Stop) -> str:
    polled = stop.polled_us - stop.appended_us
    started = stop.started_us - stop.polled_us
    handed = stop.handed_us - stop.started_us
    where = f"{stop.stage}/{stop.replica}/{stop.host}/{stop.read}"
    return f"{where}/{stop.appended_us}{polled:+d}{started:+d}{handed:+d}"


def _stop(match: re.Match[str]) -> Stop:
    stage, replica, host, read = match[1], int(match[2]), match[3], match[4]
    appended_us = int(match[5])
    polled_us = appended_us + int(match[6])
    started_us = polled_us + int(match[7])
    return Stop(
        stage, replica, host, read, appended_us, polled_us, started_us, started_us + int(match[8])
    )


def _has_read(stop: Stop) -> bool:
    return _READ.fullmatch(stop.read) is not None
