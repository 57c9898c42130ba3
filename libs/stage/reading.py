"""The facts of a record's way into a stage, gathered for its spans and its trail."""

from __future__ import annotations

from dataclasses import dataclass

from libs.events import DecoratedBatch, NormalBatch, Origin, RawBatch
from libs.kafka import Record
from libs.tracing import Carried, Read, Stop, adopt, host_id, read_headers


@dataclass(frozen=True, slots=True)
class Replica:
    """Which replica of which stage works; the stage is also its consumer group."""

    stage: str
    number: int

    @property
    def client_id(self) -> str:
        """How Kafka's own tools name this replica."""
        return f"{self.stage}-{self.number}"


def read_facts(
    record: Record,
    replica: Replica,
    carried: Carried,
    batch: RawBatch | NormalBatch | DecoratedBatch | None,
    started_us: int,
) -> Read:
    """Gather the facts; `batch` is `None` if the record could not be read."""
    return Read(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        group=replica.stage,
        client_id=replica.client_id,
        sent_us=carried.trail.handed_us,
        appended_us=record.appended_us,
        polled_us=record.polled_us,
        started_us=started_us,
        lag_records=record.lag_records,
        events=len(batch.events) if batch else 0,
        origins=len(batch.origins) if batch else 0,
        asked_us=record.asked_us,
        fetched_us=record.fetched_us,
        redelivered="maybe" if record.may_be_redelivered else "",
    )


def trail_stop(record: Record, replica: Replica, started_us: int, handed_us: int) -> Stop:
    """Make this stage's entry of the trail."""
    read = f"{record.topic}-{record.partition}-{record.offset}"
    return Stop(
        stage=replica.stage,
        replica=replica.number,
        host=host_id(),
        read=read,
        appended_us=record.appended_us,
        polled_us=record.polled_us,
        started_us=started_us,
        handed_us=handed_us,
    )


def unread_origin(record: Record) -> Origin:
    """Stand in for the origins of a record that cannot be read: all that is left is a header."""
    carried = read_headers(record.headers)
    traceparent, tracestate = carried.traceparent, carried.tracestate
    if not carried.trail.is_ours:
        # Whoever passed our member on does not end the trace that it is of.
        traceparent, tracestate = adopt(traceparent, tracestate)
    return Origin(
        tenant="unknown",
        received_us=0,
        first=0,
        count=0,
        total=0,
        traceparent=traceparent,
        tracestate=tracestate,
    )
