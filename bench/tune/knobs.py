"""What can be turned: the settings that the lab varies, by the names the field knows them by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from services.topology import PIPELINE

_READERS = tuple(hop.stage for hop in PIPELINE if hop.reads)

# Values by the names of knobs; those that are left out stand at their defaults.
Changes = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Knob:
    """A setting under Kafka's own name where it has one, and the variables that carry it.

    `others` are tried one by one; the default is what the stages have without it.
    """

    name: str
    variables: tuple[str, ...]
    default: str
    others: tuple[str, ...]
    does: str


LINGER = Knob(
    "linger.ms",
    ("KAFKA_LINGER_MS",),
    "0",
    ("5", "20", "50"),
    "how long a producer keeps a batch open for more records",
)
MAX_POLL_RECORDS = Knob(
    "max.poll.records",
    tuple(f"{stage.upper()}_POLL_RECORDS_MAX" for stage in _READERS),
    "500",
    ("10", "2000"),
    "how many records a stage takes at once; it commits when all of them are done",
)
MAX_POLL_INTERVAL = Knob(
    "max.poll.interval.ms",
    ("KAFKA_MAX_POLL_INTERVAL_MS",),
    "60000",
    # Of no effect while work is quick, so it is tried with a stage that is slow only.
    (),
    "how long the work on one poll may take before the stage leaves its group",
)
KNOBS = (
    LINGER,
    MAX_POLL_RECORDS,
    MAX_POLL_INTERVAL,
    Knob(
        "fetch.max.wait.ms",
        ("KAFKA_FETCH_MAX_WAIT_MS",),
        "100",
        ("10", "500"),
        "how long a broker waits for fetch.min.bytes before it answers a fetch",
    ),
    Knob(
        "fetch.min.bytes",
        ("KAFKA_FETCH_MIN_BYTES",),
        "1",
        ("16384",),
        "how much a broker collects before it answers a fetch: the delay before a stage, and the "
        "sink's way to larger transactions",
    ),
    Knob(
        "KAFKA_FETCH_INTERVAL_MIN_MS",
        ("KAFKA_FETCH_INTERVAL_MIN_MS",),
        "10",
        ("0", "30"),
        "how far apart a stage's fetches are at least, so that under load each brings more",
    ),
    Knob(
        "INGEST_LINGER_S",
        ("INGEST_LINGER_S",),
        "0.005",
        ("0", "0.025"),
        "how long the door keeps a record open for more requests",
    ),
    Knob(
        "SINK_TRANSACTION_EVENTS_MAX",
        ("SINK_TRANSACTION_EVENTS_MAX",),
        "5000",
        ("500", "1000"),
        "rows in one transaction of the sink",
    ),
    Knob(
        "compression.type",
        ("KAFKA_COMPRESSION_TYPE",),
        "zstd",
        ("snappy", "none"),
        "how a batch is compressed",
    ),
    Knob(
        "batch.size",
        ("KAFKA_MAX_BATCH_SIZE",),
        "786432",
        ("16384", "262144"),
        "bytes after which a batch is closed; a larger record is a batch of its own",
    ),
    Knob(
        "INGEST_RECORD_EVENTS_MAX",
        ("INGEST_RECORD_EVENTS_MAX",),
        "1000",
        ("100",),
        "events in one record",
    ),
    *(
        Knob(
            f"{stage.upper()}_REPLICAS",
            (f"{stage.upper()}_REPLICAS",),
            "1",
            ("2",),
            f"processes of {stage}, which share its partitions",
        )
        for stage in _READERS
    ),
)
_BY_NAME = {knob.name: knob for knob in KNOBS}


def knob(name: str) -> Knob:
    """Find a knob."""
    return _BY_NAME[name]


def environ(changes: Changes) -> dict[str, str]:
    """Return the variables that carry some values."""
    return {
        variable: value for name, value in changes.items() for variable in _BY_NAME[name].variables
    }


def replicas(changes: Changes, stage: str) -> int:
    """Return how many processes of a stage there are."""
    return int(changes.get(f"{stage.upper()}_REPLICAS", "1"))


def title(changes: Changes) -> str:
    """Name some values for a reader: `linger.ms=20 batch.size=16384`, in the order of the knobs."""
    named = [f"{one.name}={changes[one.name]}" for one in KNOBS if one.name in changes]
    return " ".join(named) or "defaults"


def singles() -> Iterator[dict[str, str]]:
    """Return each other value of each knob, alone."""
    for one in KNOBS:
        for value in one.others:
            yield {one.name: value}
