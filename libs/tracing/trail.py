"""The `ttg-trail` header: which way a record came, stage by stage, as short text."""

from __future__ import annotations

from dataclasses import dataclass

# A trail longer than this was not made by this pipeline, which has four stages.
TRAIL_STOPS_MAX = 32


@dataclass(frozen=True, slots=True)
class Stop:
    """One stage a record passed: what it read (empty at the door) and its times in µs.

    `end_us` is the moment the stage handed the record over to its producer.
    """

    stage: str
    replica: int
    read: str
    poll_us: int
    start_us: int
    end_us: int


def format_trail(stops: list[Stop]) -> str:
    """Write a trail: `stage/replica/topic-partition-offset/poll/start/end`, joined by `;`."""
    return ";".join(
        f"{stop.stage}/{stop.replica}/{stop.read}/{stop.poll_us}/{stop.start_us}/{stop.end_us}"
        for stop in stops
    )


def parse_trail(text: str) -> list[Stop]:
    """Read a trail; what is not ours gives an empty one, because it only serves to measure."""
    try:
        return [_parse_stop(part) for part in text.split(";", TRAIL_STOPS_MAX) if part]
    except ValueError:
        return []


def _parse_stop(text: str) -> Stop:
    stage, replica, read, poll, start, end = text.split("/")
    return Stop(stage, int(replica), read, int(poll), int(start), int(end))
