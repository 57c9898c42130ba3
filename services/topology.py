"""The map of the pipeline: which stage reads which topic and writes which.

POST /v1/events
      |
   ingest --- events.raw ---> normalize --- events.normalized ---> decorate
                                                                      |
        glass <--- PostgreSQL <--- sink <--- events.decorated --------+
"""

from __future__ import annotations

from dataclasses import dataclass

DEAD_LETTER_SUFFIX = ".dlq"

# Twelve divides evenly over 1, 2, 3, 4, 6 and 12 replicas of a stage.
PARTITIONS = 12


@dataclass(frozen=True, slots=True)
class Hop:
    """One stage and the topics on its two sides; empty where it meets the outside."""

    stage: str
    reads: str = ""
    writes: str = ""


INGEST = Hop("ingest", writes="events.raw")
NORMALIZE = Hop("normalize", reads="events.raw", writes="events.normalized")
DECORATE = Hop("decorate", reads="events.normalized", writes="events.decorated")
SINK = Hop("sink", reads="events.decorated")

PIPELINE = (INGEST, NORMALIZE, DECORATE, SINK)
TOPICS = tuple(hop.writes for hop in PIPELINE if hop.writes)
# Of the hops. What cannot be stored has a table beside the events.
DEAD_LETTER_TOPICS = tuple(
    hop.reads + DEAD_LETTER_SUFFIX for hop in PIPELINE if hop.reads and hop.writes
)
